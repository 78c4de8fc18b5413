"""Models: backbones under the heads they were published with."""
