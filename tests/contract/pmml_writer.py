"""PMML documents of scikit-learn models, with rows that prove them: what scikit-learn itself answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
WORDS = ("setosa", "versicolor", "virginica")
TARGET = "answer"


def document(body: str, fields: Sequence[str], words: Sequence[str] | None, extra: str = "") -> str:
    """A whole file around a model element."""
    declared = "".join(f'<DataField name="{name}" optype="continuous" dataType="double"/>' for name in fields)
    if words is None:
        declared += f'<DataField name="{TARGET}" optype="continuous" dataType="double"/>'
    else:
        listed = "".join(f"<Value value={quoteattr(word)}/>" for word in words)
        declared += f'<DataField name="{TARGET}" optype="categorical" dataType="string">{listed}</DataField>'
    head = '<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_3" version="4.3"><Header/>'
    return f"{head}<DataDictionary>{declared}</DataDictionary>{extra}{body}</PMML>"


def schema(fields: Sequence[str], target: bool = True) -> str:
    named = "".join(f'<MiningField name="{name}"/>' for name in fields)
    end = f'<MiningField name="{TARGET}" usageType="target"/>' if target else ""
    return f"<MiningSchema>{named}{end}</MiningSchema>"


def verified(model: str, rows: Any, answers: Any, probabilities: Any = None, words: Sequence[str] = ()) -> str:
    """The model element with a ModelVerification before its end; the columns are called c0, c1, …"""
    fields = [*FEATURES[: rows.shape[1]]] if rows.shape[1] == 4 else [f"x{i}" for i in range(rows.shape[1])]
    columns = {**{name: rows[:, i] for i, name in enumerate(fields)}}
    columns[TARGET if words else f"predicted_{TARGET}"] = answers
    for index, word in enumerate(words if probabilities is not None else ()):
        columns[f"probability_{word}"] = probabilities[:, index]
    told = "".join(f'<VerificationField field="{name}" column="c{i}"/>' for i, name in enumerate(columns))
    table = "".join(
        "<row>" + "".join(f"<c{i}>{values[n]}</c{i}>" for i, values in enumerate(columns.values())) + "</row>"
        for n in range(len(rows))
    )
    proof = (
        f"<ModelVerification><VerificationFields>{told}</VerificationFields>"
        f"<InlineTable>{table}</InlineTable></ModelVerification>"
    )
    start, _, end = model.rpartition("</")
    return f"{start}{proof}</{end}"


def table(coefficients: Any, intercept: float, fields: Sequence[str], category: str | None = None) -> str:
    """A RegressionTable."""
    which = f' targetCategory="{category}"' if category is not None else ""
    terms = "".join(
        f'<NumericPredictor name="{name}" coefficient="{float(value)!r}"/>'
        for name, value in zip(fields, coefficients, strict=True)
    )
    return f'<RegressionTable intercept="{float(intercept)!r}"{which}>{terms}</RegressionTable>'


def regression(fields: Sequence[str], tables: str, kind: str = "classification", method: str = "softmax") -> str:
    return (
        f'<RegressionModel functionName="{kind}" normalizationMethod="{method}">{schema(fields)}{tables}'
        "</RegressionModel>"
    )


def tree(fitted: Any, fields: Sequence[str], words: Sequence[str] | None, *, target: bool = True) -> str:
    """A TreeModel of scikit-learn's own structure."""
    kind = "regression" if words is None else "classification"
    body = _node(fitted, 0, fields, words, "<True/>")
    return f'<TreeModel functionName="{kind}">{schema(fields, target)}{body}</TreeModel>'


def _node(fitted: Any, at: int, fields: Sequence[str], words: Sequence[str] | None, predicate: str) -> str:
    values = fitted.value[at][0]
    if words is None:
        text = f'<Node id="{at}" score="{float(values[0])!r}">{predicate}'
    else:
        shares = values / values.sum()
        counts = "".join(
            f'<ScoreDistribution value="{word}" recordCount="{float(share)!r}"/>'
            for word, share in zip(words, shares, strict=True)
        )
        text = f'<Node id="{at}" score="{words[int(shares.argmax())]}">{predicate}{counts}'
    left, right = fitted.children_left[at], fitted.children_right[at]
    if left != -1:
        name, threshold = fields[fitted.feature[at]], float(fitted.threshold[at])
        for child, operator in ((left, "lessOrEqual"), (right, "greaterThan")):
            split = f'<SimplePredicate field="{name}" operator="{operator}" value="{threshold!r}"/>'
            text += _node(fitted, child, fields, words, split)
    return f"{text}</Node>"


def ensemble(members: Sequence[str], fields: Sequence[str], kind: str, method: str, targets: str = "") -> str:
    """A MiningModel of models that all rows go through."""
    segments = "".join(f'<Segment id="{i}"><True/>{member}</Segment>' for i, member in enumerate(members))
    return (
        f'<MiningModel functionName="{kind}">{schema(fields)}{targets}'
        f'<Segmentation multipleModelMethod="{method}">{segments}</Segmentation></MiningModel>'
    )


def boosted_classifier(members: Sequence[str], fields: Sequence[str], rate: float, prior: float) -> str:
    """A chain: the trees add up to a margin, and a logistic regression makes a probability of it."""
    segments = "".join(f'<Segment id="{i}"><True/>{member}</Segment>' for i, member in enumerate(members))
    margin = (
        f'<MiningModel functionName="regression">{schema(fields, target=False)}'
        '<Output><OutputField name="margin" feature="predictedValue" dataType="double" optype="continuous"/></Output>'
        f'<Targets><Target rescaleFactor="{rate!r}" rescaleConstant="{prior!r}"/></Targets>'
        f'<Segmentation multipleModelMethod="sum">{segments}</Segmentation></MiningModel>'
    )
    tables = table([1.0], 0.0, ["margin"], WORDS[1]) + table([], 0.0, [], WORDS[0])
    last = regression(["margin"], tables, method="logit")
    return ensemble([margin, last], fields, "classification", "modelChain")


def network(fitted: Any, fields: Sequence[str], words: Sequence[str]) -> str:
    """A NeuralNetwork with one hidden layer."""
    inputs = "".join(
        f'<NeuralInput id="0,{i}"><DerivedField optype="continuous" dataType="double"><FieldRef field="{name}"/>'
        "</DerivedField></NeuralInput>"
        for i, name in enumerate(fields)
    )
    layers = _layer(1, fitted.coefs_[0], fitted.intercepts_[0], "tanh", "none")
    layers += _layer(2, fitted.coefs_[1], fitted.intercepts_[1], "identity", "softmax")
    outputs = "".join(
        f'<NeuralOutput outputNeuron="2,{i}"><DerivedField optype="categorical" dataType="string">'
        f'<NormDiscrete field="{TARGET}" value="{word}"/></DerivedField></NeuralOutput>'
        for i, word in enumerate(words)
    )
    return (
        f'<NeuralNetwork functionName="classification" activationFunction="tanh">{schema(fields)}'
        f"<NeuralInputs>{inputs}</NeuralInputs>{layers}<NeuralOutputs>{outputs}</NeuralOutputs></NeuralNetwork>"
    )


def _layer(number: int, weights: Any, bias: Any, function: str, method: str) -> str:
    neurons = ""
    for j in range(weights.shape[1]):
        ways = "".join(f'<Con from="{number - 1},{i}" weight="{float(weights[i, j])!r}"/>' for i in range(len(weights)))
        neurons += f'<Neuron id="{number},{j}" bias="{float(bias[j])!r}">{ways}</Neuron>'
    return f'<NeuralLayer activationFunction="{function}" normalizationMethod="{method}">{neurons}</NeuralLayer>'
