"""Which decoder a recipe's teacher gets."""

from pipeline.teacher import vllm_decoder
from pipeline.teacher.decoder import Decoder, DecoderError, Engine
from pipeline.teacher.loading import architecture, files
from pipeline.teacher.transformers_decoder import TransformersDecoder


def decoder(model: str, revision: str, engine: Engine) -> Decoder:
    """vLLM where it is installed and knows the architecture; else transformers, or what the recipe says."""
    named = architecture(files(model, revision))  # first, so that a teacher that is none is told of before any work
    if engine.decoder == "transformers":
        return TransformersDecoder(model, revision, engine)
    if vllm_decoder.available() and vllm_decoder.knows(named):
        return vllm_decoder.VllmDecoder(model, revision, engine)
    if engine.decoder == "vllm":
        raise DecoderError(
            f'teacher {model}: vLLM is not installed or lacks {named}; set [engine] decoder = "transformers" or "auto"'
        )
    return TransformersDecoder(model, revision, engine)
