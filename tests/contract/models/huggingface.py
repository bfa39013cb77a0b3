"""A tiny BERT with a tokenizer of its own: as a classifier, as an encoder, and with its weights pickled."""

import json
import pathlib

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

torch.manual_seed(0)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "very", "not"]
tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, "[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
fast = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
)
size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
config = BertConfig(
    vocab_size=len(words), max_position_embeddings=16, **size,
    id2label={0: "sad", 1: "glad"}, label2id={"sad": 0, "glad": 1},
)  # fmt: skip
classifier, encoder = BertForSequenceClassification(config).eval(), BertModel(config).eval()
for folder, model in (("classifier", classifier), ("encoder", encoder)):
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
fast.save_pretrained("pickled")
config.save_pretrained("pickled")
torch.save(encoder.state_dict(), "pickled/pytorch_model.bin")

texts = ["good film", "not very good film", "bad"]


def tokens(text):
    return fast(text, return_tensors="pt")


with torch.inference_mode():
    scores = [classifier(**tokens(text)).logits.softmax(-1)[0].tolist() for text in texts]
    means = [encoder(**tokens(text)).last_hidden_state[0].mean(0).tolist() for text in texts]
label = [["sad", "glad"][row.index(max(row))] for row in scores]
request = {"text": texts}
expected = {"label": label, "score": [max(row) for row in scores], "scores": scores}
pathlib.Path("answer.json").write_text(json.dumps({"request": request, "expected": expected}))
pathlib.Path("encoder.json").write_text(json.dumps({"request": request, "expected": {"embedding": means}}))
