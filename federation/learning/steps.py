"""What one batch does to a Keras model: compiled training and evaluation, FedProx's pull; TensorFlow in functions."""

from collections.abc import Callable, Sequence
from typing import Any

from federation.learning.networks import load_keras

Step = Callable[[Any, Any], Any]


def training_step(model: Any, optimizer: Any, loss: str, pull: "Pull | None" = None) -> Step:
    """Compile one step of training: (images, labels) -> [sum of losses, number of right answers]."""
    import tensorflow as tf

    variables = model.trainable_variables
    measure = _measure(loss)

    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            losses, right = measure(labels, model(images, training=True))
            mean = tf.reduce_mean(losses)
        gradients = tape.gradient(mean, variables)
        optimizer.apply(pull.bend(gradients, variables) if pull else gradients, variables)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(right)])

    return _compile(model, step)


def evaluation_step(model: Any, loss: str) -> Step:
    """Compile one step of evaluation, like ``training_step`` but changing nothing."""
    import tensorflow as tf

    measure = _measure(loss)

    def step(images: Any, labels: Any) -> Any:
        losses, right = measure(labels, model(images, training=False))
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(right)])

    return _compile(model, step)


class Pull:
    """FedProx's proximal term, mu/2 |w - w0|^2, as it bends the gradients (Li et al. 2018, arXiv:1812.06127)."""

    def __init__(self, variables: Sequence[Any]) -> None:
        import tensorflow as tf

        self._strength = tf.Variable(0.0, trainable=False)
        self._anchors = [tf.Variable(variable, trainable=False) for variable in variables]

    def set(self, strength: float, variables: Sequence[Any]) -> None:
        """Pull towards what the variables hold now."""
        self._strength.assign(strength)
        for anchor, variable in zip(self._anchors, variables, strict=True):
            anchor.assign(variable)

    def bend(self, gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
        """Return the gradients with the term's own added."""
        both = zip(gradients, variables, self._anchors, strict=True)
        return [gradient + self._strength * (variable - anchor) for gradient, variable, anchor in both]


def _measure(loss: str) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return a function of labels (n,) and probabilities (n, classes) to losses (n,) and right answers (n,)."""
    import tensorflow as tf

    per_sample = load_keras().losses.get(loss)

    def measure(labels: Any, probabilities: Any) -> tuple[Any, Any]:
        truth = labels if loss.startswith("sparse") else tf.one_hot(labels, probabilities.shape[-1])
        right = tf.argmax(probabilities, axis=-1, output_type=labels.dtype) == labels
        return per_sample(truth, probabilities), tf.cast(right, tf.float32)

    return measure


def _compile(model: Any, step: Step) -> Step:
    """Trace once, whatever the length of a batch."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)]
    compiled: Step = tf.function(step, input_signature=signature, autograph=False)
    return compiled
