"""Train a tiny BERT that tells glad reviews from sad ones, with a tokenizer of its own; saved as Hugging Face does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

HERE = Path(__file__).parent
GLAD = ["good", "great", "lovely", "wonderful", "delicious", "friendly", "quick", "clean"]
SAD = ["bad", "awful", "poor", "terrible", "cold", "rude", "slow", "dirty"]
SUBJECTS = ["the food", "the room", "the staff", "our waiter", "this place", "the soup", "breakfast", "the bed"]


def main() -> None:
    torch.manual_seed(0)
    reviews = [(f"{subject} was {word}", int(word in GLAD)) for subject in SUBJECTS for word in GLAD + SAD]
    reviews += [(f"{a} was not {word}", int(word in SAD)) for a, word in itertools.product(SUBJECTS, GLAD + SAD)]
    tokenizer = vocabulary(text for text, _ in reviews)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=32, id2label={0: "sad", 1: "glad"}, label2id={"sad": 0, "glad": 1},
        )
    )  # fmt: skip
    inputs = tokenizer([text for text, _ in reviews], padding=True, return_tensors="pt")
    labels = torch.tensor([glad for _, glad in reviews])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    right = (model.eval()(**inputs).logits.argmax(1) == labels).float().mean()
    print(f"accuracy on what it was trained with: {right:.3f}")
    model.save_pretrained(HERE / "model")
    tokenizer.save_pretrained(HERE / "model")
    asked = ["The soup was delicious", "our waiter was not friendly", "Breakfast was cold"]
    (HERE / "request.json").write_text(json.dumps({"text": asked}) + "\n")


def vocabulary(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer that knows the words of these texts."""
    words = sorted({word for text in texts for word in text.split()})
    known = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(known, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", known["[CLS]"]), ("[SEP]", known["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


if __name__ == "__main__":
    main()
