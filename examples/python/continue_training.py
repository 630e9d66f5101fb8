"""Goes on in PyTorch with the model that `npm run example toPytorch` has trained and saved.

    python examples/python/continue_training.py [FOLDER]

Loads the folder with transformers, and AdamW with the moments it had, takes the next steps on the
same batches, and prints the losses of both sides. Then it saves all for the way back. It needs
torch, transformers and safetensors.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

folder = Path(sys.argv[1] if len(sys.argv) > 1 else 'runs/toPytorch')
run = json.loads((folder / 'run.json').read_text())
batches = load_file(folder / 'batches.safetensors')

# The model: an ordinary folder of transformers.
model = AutoModelForCausalLM.from_pretrained(folder / 'start', dtype=torch.float32)
model.train()

# The optimizer. As in mambagrad, norms, A_log, D and the bias of dt have no weight decay.
named = dict(model.named_parameters())
without = [named[name] for name in run['noWeightDecay']]
decayed = [p for name, p in named.items() if name not in run['noWeightDecay']]
optimizer = torch.optim.AdamW(
    [{'params': decayed}, {'params': without, 'weight_decay': 0.0}],
    lr=run['lr'], betas=tuple(run['betas']), eps=run['eps'], weight_decay=run['weightDecay'],
)
# Its moments, by name: state.NAME.exp_avg and so on.
for key, value in load_file(folder / 'start' / 'optimizer.safetensors').items():
    name, moment = key.removeprefix('state.').rsplit('.', 1)
    optimizer.state[named[name]][moment] = value

losses = []
print('step   mambagrad     PyTorch   difference')
for i in range(run['compare']):
    tokens = batches[f'batch.{i}'].long()
    loss = model(tokens, labels=tokens).loss  # of each token given those before it
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), run['maxNorm'])
    optimizer.step()
    losses.append(loss.item())
    ours = run['losses'][i]
    print(f'{i + 1:4}{ours:12.6f}{losses[i]:12.6f}{abs(ours - losses[i]):13.1e}')

# The way back: the same three files.
back = folder / 'pytorch'
model.save_pretrained(back)
state = {
    f'state.{name}.{moment}': value.contiguous()
    for name, p in named.items() for moment, value in optimizer.state[p].items()
}
save_file(state, back / 'optimizer.safetensors')
(back / 'losses.json').write_text(json.dumps(losses))
print(f'Now run: npm run example toPytorch -- --back --folder {folder}')
