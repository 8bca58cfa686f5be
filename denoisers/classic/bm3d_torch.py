"""BM3D as tensor operations, on any device; `bm3d` says what it computes.

Three steps, each for as many reference blocks at once as memory allows, a band of rows:

- matching: for one offset after the other, the squared difference of the guide and its shifted
  self, and its sums over blocks on the grid alone (a pooling with a stride); then one top-k over
  all offsets;
- filtering: a group of K blocks is a matrix (K, side²), and its transform two matrix products;
- aggregation: weighted blocks are added into the frame as integers, whose sums do not depend on the
  order in which a GPU adds them. So the same input gives the same bits there, too.
"""
