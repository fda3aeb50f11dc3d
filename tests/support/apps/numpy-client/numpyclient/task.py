import numpy as np


def load_data(partition_id, num_partitions):
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(120, 4))
    labels = (samples.sum(axis=1) > 0).astype(np.int64)
    return samples[partition_id::num_partitions], labels[partition_id::num_partitions]


def initial_weights():
    return [np.zeros((2, 4)), np.zeros(2)]


def probabilities(weights, samples):
    logits = samples @ weights[0].T + weights[1]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def train(weights, samples, labels, epochs, rate):
    coef, intercept = (one.copy() for one in weights)
    for _ in range(epochs):
        found = probabilities([coef, intercept], samples)
        found[np.arange(len(labels)), labels] -= 1
        coef -= rate * found.T @ samples / len(labels)
        intercept -= rate * found.mean(axis=0)
    return [coef, intercept]


def test(weights, samples, labels):
    found = probabilities(weights, samples)
    loss = float(-np.log(found[np.arange(len(labels)), labels]).mean())
    return loss, float((found.argmax(axis=1) == labels).mean())
