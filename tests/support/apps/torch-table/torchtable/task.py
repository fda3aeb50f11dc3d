"""The model and the data, as flwr new @flwrlabs/quickstart-pytorch has them, of a small table."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def load_data(partition_id, num_partitions):
    samples = torch.randn(80, 4, generator=torch.Generator().manual_seed(3))
    labels = (samples.sum(dim=1) > 0).long()
    samples, labels = samples[partition_id::num_partitions], labels[partition_id::num_partitions]
    split = int(0.8 * len(labels))
    return (
        DataLoader(TensorDataset(samples[:split], labels[:split]), batch_size=16, shuffle=True),
        DataLoader(TensorDataset(samples[split:], labels[split:]), batch_size=16),
    )


def train(net, loader, epochs, lr, device):
    net.to(device).train()
    criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    running_loss = 0.0
    for _ in range(epochs):
        for samples, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(samples.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
    return running_loss / (epochs * len(loader))


def test(net, loader, device):
    net.to(device).eval()
    criterion, correct, loss = nn.CrossEntropyLoss(), 0, 0.0
    with torch.no_grad():
        for samples, labels in loader:
            outputs = net(samples.to(device))
            loss += criterion(outputs, labels.to(device)).item()
            correct += (outputs.argmax(dim=1).cpu() == labels).sum().item()
    return loss / len(loader), correct / len(loader.dataset)
