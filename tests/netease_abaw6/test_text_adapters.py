from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from harness.errors import MissingData, UserError
from netease_abaw6.text_adapters import FILES
from netease_abaw6.text_lora import text_lora

TEXTS = ["i am so happy for you", "no", "it hurts to see them"]

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


def train(model, folder, **options):
    """Adapters that say something, saved as their owners save them; the model with them."""
    adapted = get_peft_model(model, LoraConfig(r=3, lora_alpha=6, **options)).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return adapted


def means(run, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return torch.cat([run(**tokenizer(text, return_tensors="pt")).mean(1) for text in TEXTS])


def test_trained_adapters_give_the_features_they_gave(language_model, tmp_path):
    options = {"target_modules": ["c_attn"], "fan_in_fan_out": True} if "gpt2" in str(language_model) else {}
    adapted = train(AutoModel.from_pretrained(language_model), tmp_path / "lora", **options)
    expected_BD = means(lambda **given: adapted(**given).last_hidden_state, language_model)
    encoder = text_lora(model=str(language_model), adapter=str(tmp_path / "lora"), rank=8)
    plain = text_lora(model=str(language_model))
    with torch.no_grad():
        torch.testing.assert_close(encoder(TEXTS), expected_BD, atol=1e-5, rtol=1e-5)
        assert (encoder(TEXTS) - plain(TEXTS)).abs().max() > 1e-3
    assert {m.r["default"] for m in encoder.module.modules() if hasattr(m, "lora_A")} == {3}
    assert {n for n, p in encoder.module.named_parameters() if p.requires_grad and "lora_" not in n} == set()
    assert any(p.requires_grad for p in encoder.module.parameters())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_adapters_trained_below_a_head_are_taken_without_it(headed_model, tmp_path, family):
    folder = headed_model(family)
    options = {"target_modules": ["c_attn"], "fan_in_fan_out": True}
    options = options if family == "gpt2" else {"target_modules": ["q_proj", "v_proj", "lm_head"]}
    adapted = train(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "lora", task_type="CAUSAL_LM", **options)
    expected_BD = means(lambda **given: adapted(**given, output_hidden_states=True).hidden_states[-1], folder)
    encoder = text_lora(model=str(folder), adapter=str(tmp_path / "lora"))
    with torch.no_grad():
        torch.testing.assert_close(encoder(TEXTS), expected_BD, atol=1e-5, rtol=1e-5)


def test_a_missing_adapter_is_missing_data(bert, tmp_path):
    with pytest.raises(MissingData, match=r"No adapter at .*adapter_config\.json and adapter_model\.safetensors"):
        text_lora(model=bert, adapter=str(tmp_path / "nowhere"))
    train(AutoModel.from_pretrained(bert), tmp_path / "lora")
    (tmp_path / "lora" / FILES[0]).unlink()
    with pytest.raises(MissingData, match="No adapter at"):
        text_lora(model=bert, adapter=str(tmp_path / "lora"))


def test_adapters_of_another_model_are_refused(bert, headed_model, tmp_path):
    train(AutoModel.from_pretrained(bert), tmp_path / "lora", target_modules=["query", "dense"])
    with pytest.raises(UserError, match=r"LoRA cannot adapt targets='dense,query' of .*llama"):
        text_lora(model=str(headed_model("llama")), adapter=str(tmp_path / "lora"))


def test_adapters_that_are_not_whole_are_refused(bert, tmp_path):
    from safetensors.torch import load_file, save_file

    train(AutoModel.from_pretrained(bert), tmp_path / "lora")
    path = tmp_path / "lora" / FILES[0]
    weights = load_file(path)
    gone = next(name for name in weights if "layer.1" in name and "lora_A" in name)
    save_file({name: w for name, w in weights.items() if name != gone}, path)
    with pytest.raises(UserError, match=r"does not fit .*: 1 adapters differ, say .*layer\.1.*lora_A"):
        text_lora(model=bert, adapter=str(tmp_path / "lora"))


def test_another_sort_of_adapter_is_refused(bert, tmp_path):
    config = IA3Config(target_modules=["key"], feedforward_modules=[])
    get_peft_model(AutoModel.from_pretrained(bert), config).save_pretrained(tmp_path / "ia3")
    with pytest.raises(UserError, match="text_lora takes LoRA"):
        text_lora(model=bert, adapter=str(tmp_path / "ia3"))


def test_a_broken_config_is_a_users_mistake(bert, tmp_path):
    train(AutoModel.from_pretrained(bert), tmp_path / "lora")
    (tmp_path / "lora" / "adapter_config.json").write_text(json.dumps({"peft_type": "NO_SUCH"}))
    with pytest.raises(UserError, match="cannot be read as an adapter"):
        text_lora(model=bert, adapter=str(tmp_path / "lora"))


def test_a_pickle_with_code_in_it_is_not_run(bert, tmp_path):
    train(AutoModel.from_pretrained(bert), tmp_path / "lora")
    (tmp_path / "lora" / FILES[0]).unlink()
    torch.save({"base_model.model.x": Path("x")}, tmp_path / "lora" / FILES[1])
    with pytest.raises(UserError, match="cannot be read as an adapter"):
        text_lora(model=bert, adapter=str(tmp_path / "lora"))


def test_layers_to_adapt_are_named_where_they_are_wrong(bert):
    with pytest.raises(UserError, match=r"targets='q_proj' .* its layers: dense, key, query, value"):
        text_lora(model=bert, targets="q_proj")
