"""PyTorch peer of `models/nn`: epochs of each loss, training on LETOR files, scoring.

    rank_torch.py epoch  LOSS [--queries 1000 --docs 100 --features 136 --batch 16 --epochs 5]
    rank_torch.py train  LOSS FOLDER [--seed 1 --hidden 64,32 --epochs 100 --patience 10]
    rank_torch.py score  [--rows 100000] (PyTorch and ONNX Runtime)
"""
import argparse, json, sys, time
START = time.perf_counter()
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

def mlp(n, hidden):
    layers = []
    for h in hidden:
        layers += [nn.Linear(n, h), nn.ReLU()]
        n = h
    return nn.Sequential(*layers, nn.Linear(n, 1))

# Losses over padded lists: s, y of B x n, mask true where there is a document. Mean over lists.
def ranknet(s, y, mask):
    m = (y[:, :, None] > y[:, None, :]) & mask[:, :, None] & mask[:, None, :]
    d = s[:, :, None] - s[:, None, :]
    l = F.softplus(-d).masked_fill(~m, 0.0)
    return (l.sum((1, 2)) / m.sum((1, 2)).clamp(min=1)).mean()

def _lambda_parts(s, y, mask):
    n = s.shape[1]
    with torch.no_grad():
        order = s.masked_fill(~mask, -torch.inf).sort(dim=1, descending=True, stable=True).indices
        rank = torch.empty_like(order).scatter_(1, order, torch.arange(n).expand_as(order))
        g = (2 ** y - 1).masked_fill(~mask, 0.0)
        disc = 1 / torch.log2(torch.arange(n, dtype=s.dtype) + 2)
        ideal = (g.sort(dim=1, descending=True).values * disc).sum(1)
        g = g / ideal.clamp(min=1e-12)[:, None]
        m = (y[:, :, None] > y[:, None, :]) & mask[:, :, None] & mask[:, None, :]
    return rank, disc, g, m

def lambdarank(s, y, mask):
    rank, disc, g, m = _lambda_parts(s, y, mask)
    with torch.no_grad():
        d = disc[rank]
        w = (g[:, :, None] - g[:, None, :]).abs() * (d[:, :, None] - d[:, None, :]).abs()
        w = w.masked_fill_(~m, 0.0)
    return (F.softplus(-(s[:, :, None] - s[:, None, :])) * w).sum((1, 2)).mean()

def lambdaloss(s, y, mask, mu=10.0):
    rank, disc, g, m = _lambda_parts(s, y, mask)
    n = s.shape[1]
    with torch.no_grad():
        d = disc[rank]
        gap = torch.zeros(n)
        full = 1 / torch.log2(torch.arange(n + 1, dtype=s.dtype) + 2)
        gap[1:] = (full[:-1] - full[1:])[: n - 1]
        w = (d[:, :, None] - d[:, None, :]).abs() + mu * gap[(rank[:, :, None] - rank[:, None, :]).abs()]
        w = (w * (g[:, :, None] - g[:, None, :]).abs()).masked_fill_(~m, 0.0)
    return (F.softplus(-(s[:, :, None] - s[:, None, :])) * w).sum((1, 2)).mean() / np.log(2)

def listnet(s, y, mask):
    p = torch.softmax(y.masked_fill(~mask, -torch.inf), 1)
    ls = torch.log_softmax(s.masked_fill(~mask, -torch.inf), 1).masked_fill(~mask, 0.0)
    return -(p * ls).sum(1).mean()

def listmle(s, y, mask):
    n = s.shape[1]
    perm = torch.rand(y.shape).masked_fill_(~mask, 2.0)
    order = (y.masked_fill(~mask, -1.0) - 0.5 * perm.clamp(max=0.999)).sort(dim=1, descending=True).indices
    t = s.gather(1, order)
    mk = mask.gather(1, order)
    lse = t.masked_fill(~mk, -torch.inf).flip(1).logcumsumexp(1).flip(1)
    return ((lse - t).masked_fill(~mk, 0.0).sum(1) / mk.sum(1)).mean()

def approxndcg(s, y, mask, alpha=10.0):
    n = s.shape[1]
    with torch.no_grad():
        g = (2 ** y - 1).masked_fill(~mask, 0.0)
        disc = 1 / torch.log2(torch.arange(n, dtype=s.dtype) + 2)
        ideal = (g.sort(dim=1, descending=True).values * disc).sum(1)
        g = g / ideal.clamp(min=1e-12)[:, None]
    p = torch.sigmoid(alpha * (s[:, None, :] - s[:, :, None])).masked_fill(~mask[:, None, :], 0.0)
    r = 0.5 + p.sum(2)
    return -(g / torch.log2(1 + r.clamp(min=1))).sum(1).mean()

LOSSES = dict(ranknet=ranknet, lambdarank=lambdarank, lambdaloss=lambdaloss, listnet=listnet, listmle=listmle, approxndcg=approxndcg)

def epoch_bench(a):
    torch.manual_seed(1)
    x = torch.randn(a.queries, a.docs, a.features)
    y = torch.randint(0, 5, (a.queries, a.docs)).float()
    mask = torch.ones(a.queries, a.docs, dtype=torch.bool)
    net = mlp(a.features, [256, 128, 64])
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss_fn = LOSSES[a.loss]
    times, cpu = [], []
    for _ in range(a.epochs):
        t, c = time.perf_counter(), time.process_time()
        for idx in torch.randperm(a.queries).split(a.batch):
            opt.zero_grad(set_to_none=True)
            xb = x[idx]
            s = net(xb.view(-1, a.features)).view(len(idx), -1)
            loss_fn(s, y[idx], mask[idx]).backward()
            opt.step()
        times.append(time.perf_counter() - t); cpu.append(time.process_time() - c)
    print(f"torch {a.loss:12} threads {torch.get_num_threads()}: median {1e3 * np.median(times):.1f} ms, best {1e3 * min(times):.1f} ms, cpu {1e3 * np.median(cpu):.1f} ms (best {1e3 * min(cpu):.1f})")

def read(path):
    xs, ys, qs = [], [], []
    for line in open(path):
        line = line.split("#")[0].split()
        if not line: continue
        ys.append(float(line[0])); qs.append(line[1][4:]); xs.append([(int(k), float(v)) for k, v in (f.split(":") for f in line[2:])])
    n = max(k for r in xs for k, _ in r)
    return xs, np.array(ys, np.float32), qs, n

def dense(xs, n):
    m = np.zeros((len(xs), n), np.float32)
    for i, r in enumerate(xs):
        for k, v in r:
            if k <= n: m[i, k - 1] = v
    return m

def padded(x, y, qs):
    starts = [0] + [i for i in range(1, len(qs)) if qs[i] != qs[i - 1]] + [len(qs)]
    n = max(b - a for a, b in zip(starts, starts[1:]))
    X = torch.zeros(len(starts) - 1, n, x.shape[1]); Y = torch.zeros(len(starts) - 1, n); M = torch.zeros(len(starts) - 1, n, dtype=torch.bool)
    for i, (a, b) in enumerate(zip(starts, starts[1:])):
        X[i, : b - a] = torch.from_numpy(x[a:b]); Y[i, : b - a] = torch.from_numpy(y[a:b]); M[i, : b - a] = True
    return X, Y, M

def ndcg10(s, Y, M):
    n = Y.shape[1]
    k = min(10, n)
    disc = 1 / torch.log2(torch.arange(k, dtype=torch.float64) + 2)
    g = (2 ** Y.double() - 1).masked_fill(~M, 0.0)
    order = s.masked_fill(~M, -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :k]
    d = (g.gather(1, order) * disc).sum(1)
    i = (g.sort(dim=1, descending=True).values[:, :k] * disc).sum(1)
    return torch.where(i > 0, d / i.clamp(min=1e-12), torch.zeros_like(d)).mean().item()

def train(a):
    parts = [read(f"{a.folder}/{p}.txt") for p in ("train", "vali", "test")]
    n = max(p[3] for p in parts)
    X = [dense(p[0], n) for p in parts]
    mean, sd = X[0].mean(0), X[0].std(0)
    sd[sd == 0] = 1
    (x, y, m), (vx, vy, vm), (tx, ty, tm) = [padded((f - mean) / sd, p[1], p[2]) for f, p in zip(X, parts)]
    torch.manual_seed(a.seed)
    net = mlp(n, [int(h) for h in a.hidden.split(",")])
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss_fn, best, state, wait = LOSSES[a.loss], -1, None, 0
    lens = m.sum(1)
    for e in range(a.epochs):
        for idx in torch.randperm(len(x)).split(16):
            w = int(lens[idx].max())
            opt.zero_grad(set_to_none=True)
            xb, mb = x[idx, :w], m[idx, :w]
            s = torch.zeros(mb.shape)
            s = s.masked_scatter(mb, net(xb[mb]).squeeze(1))
            loss_fn(s, y[idx, :w], mb).backward()
            opt.step()
        with torch.no_grad():
            v = ndcg10(net(vx).squeeze(-1), vy, vm)
        if v > best: best, wait, state = v, 0, {k: t.clone() for k, t in net.state_dict().items()}
        else:
            wait += 1
            if wait >= a.patience: break
    net.load_state_dict(state)
    with torch.no_grad():
        test = ndcg10(net(tx).squeeze(-1), ty, tm)
    print(json.dumps(dict(peer="torch", loss=a.loss, seed=a.seed, epochs=e + 1, valid=round(best, 4), test=round(test, 4),
                          seconds=round(time.perf_counter() - START, 2))))

def score(a):
    x = torch.randn(a.rows, 136)
    net = mlp(136, [256, 128, 64]).eval()
    out = {}
    with torch.inference_mode():
        for block in (a.rows, 2048):
            ts = []
            for _ in range(7):
                t = time.perf_counter()
                for b in x.split(block): net(b)
                ts.append(time.perf_counter() - t)
            out[f"torch_block{block}"] = round(a.rows / float(np.median(ts)))
    try:
        import onnx
        from onnx import helper, TensorProto, numpy_helper
        nodes, inits, name = [], [], "x"
        linears = [l for l in net if isinstance(l, nn.Linear)]
        for i, l in enumerate(linears):
            inits += [numpy_helper.from_array(l.weight.detach().numpy(), f"w{i}"), numpy_helper.from_array(l.bias.detach().numpy(), f"b{i}")]
            nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"z{i}"], transB=1)); name = f"z{i}"
            if i < len(linears) - 1: nodes.append(helper.make_node("Relu", [name], [f"r{i}"])); name = f"r{i}"
        g = helper.make_graph(nodes, "m", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 136])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])], inits)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        import onnxruntime as ort
        o = ort.SessionOptions(); o.intra_op_num_threads = torch.get_num_threads()
        sess = ort.InferenceSession(m.SerializeToString(), o)
        xn = x.numpy()
        for block in (a.rows, 2048):
            ts = []
            for _ in range(7):
                t = time.perf_counter()
                for i in range(0, a.rows, block): sess.run(None, {"x": xn[i : i + block]})
                ts.append(time.perf_counter() - t)
            out[f"onnxruntime_block{block}"] = round(a.rows / float(np.median(ts)))
    except ImportError as e:
        out["onnxruntime"] = str(e)
    print(json.dumps(out))

p = argparse.ArgumentParser()
p.add_argument("what", choices=["epoch", "train", "score"]); p.add_argument("loss", nargs="?"); p.add_argument("folder", nargs="?")
for k, v in dict(queries=1000, docs=100, features=136, batch=16, seed=1, patience=10, rows=100000, threads=2).items():
    p.add_argument(f"--{k}", type=int, default=v)
p.add_argument("--epochs", type=int)
p.add_argument("--hidden", default="64,32")
a = p.parse_args()
if a.epochs is None: a.epochs = 100 if a.what == "train" else 5
torch.set_num_threads(a.threads)
{"epoch": epoch_bench, "train": train, "score": score}[a.what](a)
