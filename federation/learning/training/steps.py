"""The compiled TensorFlow functions that train or evaluate one batch, and FedProx's proximal term.

TensorFlow is imported inside functions.
"""

from collections.abc import Callable, Sequence
from typing import Any

from federation.learning.keras_backend import load_keras
from federation.schema.spec import Target

Step = Callable[[Any, Any], Any]
"""A compiled function of inputs (n, ...) and labels (n,) to a tensor (2,): the sum of the losses, and the number of
correct answers, or for a target that is a number the sum of the squared errors. Labels are int32 classes or float32."""


def training_step(
    model: Any, optimizer: Any, loss: str, weight_decay: float = 0.0, proximal: "ProximalTerm | None" = None,
    *, target: Target = "classes", class_weights: Any = None,
) -> Step:  # fmt: skip
    """Compile one training step of a Keras model, which changes its weights and the optimizer's state.

    The gradients of weight decay and of the proximal term are added to that of the loss, which they do not change.
    ``class_weights`` is a variable (classes,), by which the loss of each sample is multiplied.
    """
    import tensorflow as tf

    variables = model.trainable_variables
    measured = _measured(loss, target)

    def step(inputs: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            losses, second = measured(labels, model(inputs, training=True))
            if class_weights is not None:
                losses = losses * tf.gather(class_weights, labels)
            mean = tf.reduce_mean(losses)
        gradients = tape.gradient(mean, variables)
        if weight_decay:
            gradients = [g + weight_decay * variable for g, variable in zip(gradients, variables, strict=True)]
        optimizer.apply(proximal.added_to(gradients, variables) if proximal else gradients, variables)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(second)])

    return _compile(model, step, target)


def evaluation_step(model: Any, loss: str, *, target: Target = "classes") -> Callable[[Any, Any], tuple[Any, Any]]:
    """Compile one evaluation step of a Keras model, which changes nothing: the sums, and the outputs (n, outputs)."""
    import tensorflow as tf

    measured = _measured(loss, target)

    def step(inputs: Any, labels: Any) -> tuple[Any, Any]:
        outputs = model(inputs, training=False)
        losses, second = measured(labels, outputs)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(second)]), outputs

    return _compile(model, step, target)


def optimizer_reset(optimizer: Any) -> Callable[[float], None]:
    """Compile what sets a learning rate, and the optimizer's state to that of one that was just built.

    Every variable of a state begins with one value in all of its elements: mostly 0, in Adagrad 0.1.
    """
    import tensorflow as tf

    variables, rate = [variable.value for variable in optimizer.variables], optimizer.learning_rate.value
    firsts = [tf.reshape(variable, [-1])[:1].numpy().sum() for variable in variables]

    def reset(learning_rate: Any) -> None:
        for variable, first in zip(variables, firsts, strict=True):
            variable.assign(tf.fill(variable.shape, first) if first else tf.zeros_like(variable))
        rate.assign(learning_rate)

    compiled = tf.function(reset, input_signature=[tf.TensorSpec((), rate.dtype)], autograph=False)
    return lambda learning_rate: compiled(tf.constant(learning_rate, rate.dtype))


def ones(size: int) -> Any:
    """Return a variable (size,) of ones that no gradient changes."""
    import tensorflow as tf

    return tf.Variable(tf.ones(size), trainable=False)


class ProximalTerm:
    """FedProx's term mu/2 |w - w0|^2, by its gradient mu (w - w0) (Li et al. 2018, arXiv:1812.06127)."""

    def __init__(self, variables: Sequence[Any]) -> None:
        import tensorflow as tf

        self._mu = tf.Variable(0.0, trainable=False)
        self._global = [tf.Variable(variable, trainable=False) for variable in variables]

    def set(self, mu: float, variables: Sequence[Any]) -> None:
        """Take mu, and the present values of the variables as the global weights w0."""
        self._mu.assign(mu)
        for reference, variable in zip(self._global, variables, strict=True):
            reference.assign(variable)

    def added_to(self, gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
        """Return the gradients with the gradient of the term added."""
        both = zip(gradients, variables, self._global, strict=True)
        return [gradient + self._mu * (variable - reference) for gradient, variable, reference in both]


def _measured(loss: str, target: Target) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return a function of labels (n,) and outputs (n, outputs) to losses (n,) and a second measure (n,).

    That is 1 or 0 for correct, or the squared error of a number.
    """
    import tensorflow as tf

    per_sample = load_keras().losses.get(loss)

    def losses_and_correct(labels: Any, probabilities: Any) -> tuple[Any, Any]:
        truth = labels if loss.startswith("sparse") else tf.one_hot(labels, probabilities.shape[-1])
        correct = tf.argmax(probabilities, axis=-1, output_type=labels.dtype) == labels
        return per_sample(truth, probabilities), tf.cast(correct, tf.float32)

    def losses_and_squares(labels: Any, outputs: Any) -> tuple[Any, Any]:
        return per_sample(labels[:, None], outputs), tf.square(outputs[:, 0] - labels)

    return losses_and_squares if target == "number" else losses_and_correct


def _compile(model: Any, step: Callable[[Any, Any], Any], target: Target) -> Callable[[Any, Any], Any]:
    """Trace the step once for batches of any length."""
    import tensorflow as tf

    labels = tf.TensorSpec((None,), tf.float32 if target == "number" else tf.int32)
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), labels]
    compiled: Callable[[Any, Any], Any] = tf.function(step, input_signature=signature, autograph=False)
    return compiled
