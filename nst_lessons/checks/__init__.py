"""The checks of the exercises, one file per lesson: each takes the learner's function, tries it, and says what is wrong and why."""
from .lesson01 import check_denormalize, check_normalize, check_resize_like, check_to_uint8
from .lesson02 import check_receptive_field, check_record, check_strongest_channels
from .lesson03 import check_gram_by_einsum, check_gram_of_pieces, check_style_distance
from .lesson04 import check_content_where, check_style_of_layers, check_tv_where
from .lesson04_gradient import check_style_gradient
from .lesson05 import check_adam_step, check_has_converged
from .lesson05_loop import check_frugal_loop
from .lesson06 import check_in_and_out, check_listen, check_losses, check_paint, check_program, check_total
from .lesson07 import check_combinations, check_match_color, check_sliced
from .lesson08 import check_mixed_norm, check_normalized, check_residual_block
from .lesson09 import check_attention_block, check_attention_map, check_mixed_adain
from .lesson10 import check_gram_in_tiles, check_gram_of_half
from .lesson10_many import check_loss_of_many
from .lesson11 import check_comes_from_inside, check_there_and_back
from .lesson11_loss import check_temporal_loss
from .lesson12 import check_distill_step, check_inverted_residual, check_quantized
from .lesson13 import check_guided_grams, check_only_there
from .lesson13_round import check_one_round
from .lesson14 import check_contrast, check_respond
from .lesson14_softmax import check_smoothed
from .lesson15 import check_cut, check_directional_loss, check_top_one
from .verdict import NotWritten, Wrong
from .vgg import vgg_features

__all__ = ["NotWritten", "Wrong", "check_adam_step", "check_attention_block", "check_attention_map", "check_combinations",
           "check_comes_from_inside", "check_temporal_loss", "check_there_and_back", "check_contrast", "check_respond", "check_smoothed",
           "check_content_where", "check_denormalize", "check_distill_step", "check_frugal_loop",
           "check_gram_by_einsum", "check_gram_in_tiles", "check_gram_of_half", "check_gram_of_pieces", "check_guided_grams", "check_has_converged", "check_in_and_out", "check_inverted_residual",
           "check_listen", "check_loss_of_many",
           "check_losses", "check_mixed_adain", "check_mixed_norm", "check_paint", "check_match_color", "check_program", "check_normalize", "check_normalized", "check_one_round", "check_only_there",
           "check_quantized", "check_receptive_field", "check_record", "check_residual_block", "check_resize_like", "check_sliced", "check_strongest_channels",
           "check_style_distance", "check_style_gradient", "check_style_of_layers",
           "check_cut", "check_directional_loss", "check_to_uint8", "check_top_one", "check_total", "check_tv_where", "vgg_features"]
