"""A very small chat model, made on the spot, so that the real server starts in a second."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BOS, EOS = "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

CORPUS = (
    "The capital of France is Paris. What is the capital of Italy? It is Rome.",
    "A cat sat on the mat, and the dog sat beside it. Who sat there first?",
    "Hello! How are you today? I am well, thank you. Please tell me a story.",
)


def make_tiny_model(
    path: Path,
    *,
    seed: int = 0,
    num_layers: int = 2,
    context: int = 512,
    can_end: bool = False,
) -> Path:
    """Write a random llama of a few thousand weights, its byte-level tokenizer (which can spell
    any text) and a ChatML template to `path`; returns `path`.

    The weights are large enough that every token of a prompt changes the answer, and float16 holds
    them. Unless `can_end`, no token ends an answer, so that it always grows to the length asked
    for.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=EOS,
        unk_token="<|endoftext|>",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    wrapped.save_pretrained(path)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=context,
        initializer_range=0.3,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    round_weights(model)
    # An empty list would be filled in from the configuration; an id nobody can draw is not.
    eos = 2 if can_end else tokenizer.get_vocab_size() + 1
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=1, eos_token_id=eos, pad_token_id=2
    )
    model.save_pretrained(path)
    return path


def round_weights(model: torch.nn.Module) -> None:
    """Make all weights numbers that float16 holds, as those of published models are, so that the
    engine's packed weights are the same: random ones are so sensitive that rounding them on one
    side gives another answer within a few tokens."""
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
