"""The compiled TensorFlow functions that train or evaluate one batch, and FedProx's proximal term.

TensorFlow is imported inside functions.
"""

from collections.abc import Callable, Sequence
from typing import Any

from federation.learning.keras_backend import load_keras
from federation.schema.spec import Target

Compiled = Callable[..., Any]
"""A compiled function of numpy arrays to a list of tensors."""

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

    compiled = _compile(step, *_batch(model, target))
    return lambda inputs, labels: compiled(inputs, labels)[0]


def evaluation_step(model: Any, loss: str, loaded: Sequence[Any] = (), *, target: Target = "classes") -> Compiled:
    """Compile one evaluation step of a Keras model: a function to the sums, and the outputs (n, outputs).

    It changes nothing but the variables ``loaded``, which get the arrays that stand before inputs and labels.
    """
    import tensorflow as tf

    measured = _measured(loss, target)

    def step(*given: Any) -> tuple[Any, Any]:
        *arrays, inputs, labels = given
        _assign(loaded, arrays)
        outputs = model(inputs, training=False)
        losses, second = measured(labels, outputs)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(second)]), outputs

    return _compile(step, *map(_spec_of, loaded), *_batch(model, target))


def loading(variables: Sequence[Any]) -> Compiled:
    """Compile what gives variables the values of as many arrays."""
    return _compile(lambda *arrays: _assign(variables, arrays), *map(_spec_of, variables))


def reading(variables: Sequence[Any]) -> Compiled:
    """Compile what returns the values of variables."""
    return _compile(lambda: [variable.read_value() for variable in variables])


def beginning(variables: Sequence[Any], optimizer: Any, seeds: Sequence[Any]) -> Compiled:
    """Compile the begin of a training: a function of the weights, a learning rate, and two integers for each of the
    ``seeds``, the states of generators. The optimizer's state gets that of one that was just built.

    Every variable of a state begins with one value in all of its elements: mostly 0, in Adagrad 0.1.
    """
    import tensorflow as tf

    states, rate = [variable.value for variable in optimizer.variables], optimizer.learning_rate.value
    firsts = [tf.reshape(state, [-1])[:1].numpy().sum() for state in states]
    given = [*variables, *states, rate, *seeds]  # the learning rate is one of the optimizer's variables as well

    def begin(*values: Any) -> None:
        started = [
            tf.fill(state.shape, first) if first else tf.zeros_like(state)
            for state, first in zip(states, firsts, strict=True)
        ]
        _assign(given, [*values[: len(variables)], *started, *values[len(variables) :]])

    return _compile(begin, *map(_spec_of, [*variables, rate, *seeds]))


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


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


def _batch(model: Any, target: Target) -> tuple[Any, Any]:
    """Return the signature of a batch of any length."""
    import tensorflow as tf

    labels = tf.TensorSpec((None,), tf.float32 if target == "number" else tf.int32)
    return tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), labels


def _spec_of(variable: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec(variable.shape, variable.dtype)


def _compile(function: Callable[..., Any], *signature: Any) -> Compiled:
    """Trace a function once. A call runs it as one operation: the call of a ``tf.function`` takes twice as long, most
    of it to find the trace that fits its arguments."""
    import tensorflow as tf

    traced = tf.function(function, input_signature=signature, autograph=False).get_concrete_function()
    captured, outputs = list(traced.captured_inputs), [output.dtype for output in traced.outputs]

    def call(*arrays: Any) -> Any:
        tensors = [tf.constant(array, spec.dtype) for array, spec in zip(arrays, signature, strict=True)]
        return tf.raw_ops.StatefulPartitionedCall(args=tensors + captured, Tout=outputs, f=traced)

    return call
