"""The recipes of papers, as far as a recipe can express them.

Numbers come from the papers and from their authors' files, which are named. Values that these leave
open are explained beside each recipe. All of them count iterations where recipes count epochs: the
number of epochs is iterations * batch size / pictures of the authors' data set.

Learning rates of some layers differ where the authors' files say so: twice for biases in FCN and
SegNet, ten times behind the encoder in DeepLab-v2, PSPNet and RefineNet. Not supported by recipes,
although ENet's and ERFNet's authors do it: a training of the encoder alone before the decoder is
appended.

How decay is meant: Caffe's `weight_decay` c and that of PyTorch's SGD and Adam add c * w to the
gradient, and TensorFlow's slim penalizes c / 2 * sum(w ** 2): l2=c for all. PyTorch decays every
weight; Caffe's files leave biases out, slim all but kernels.
"""

from keras_seg.training.recipe import Recipe

STREET_AUGMENTATION = (
    ("random_scale_crop", {"low": 0.5, "high": 2.0}),
    ("random_flip", {}),
    ("color_jitter", {}),
)
_SCALE_AND_FLIP = STREET_AUGMENTATION[:2]
_SGD = {"optimizer": "sgd", "optimizer_options": {"momentum": 0.9}}
_POLY = {"schedule": "poly", "schedule_options": {"power": 0.9}}
# PyTorch's and Torch's Adam: AdamW without its own decay.
_ADAM = {"optimizer": "adamw", "optimizer_options": {"epsilon": 1e-8}}

PAPERS = (
    # Poudel et al. 2019, section 4: all numbers. Their L2 is that of ContextNet.
    Recipe(
        "fast_scnn",
        epochs=1000,
        batch_size=12,
        augmentation=STREET_AUGMENTATION,
        learning_rate=0.045,
        l2=4e-5,
        no_decay=("vectors", "depthwise"),
        auxiliary_weight=0.4,
        **_SGD,
        **_POLY,
    ),
    # Paszke et al. 2016, section 5.2: Adam, rate, L2, batch size and class weights. Epochs and the
    # rate's fall to a tenth in every 100 of them are the authors' (ENet-training, train/opts.lua);
    # here it falls evenly. They name no augmentation.
    Recipe(
        "enet",
        epochs=300,
        batch_size=10,
        learning_rate=5e-4,
        schedule="exponential",
        schedule_options={"rate": 0.1 ** (1 / 100)},
        l2=2e-4,
        no_decay=(),
        class_weights={"method": "enet", "c": 1.02},
        auxiliary_weight=0.0,
        **_ADAM,
    ),
    # Romera et al. 2018, as their PyTorch code trains (erfnet_pytorch, train/main.py, "scheduler
    # 2"). Its class weights for the decoder are 1 / ln(1.1 + p): 10.4 for the rarest class. Its
    # translation by up to 2 pixels is left out.
    Recipe(
        "erfnet",
        epochs=150,
        batch_size=6,
        augmentation=(("random_flip", {}),),
        learning_rate=5e-4,
        l2=1e-4,
        no_decay=(),
        class_weights={"method": "enet", "c": 1.1},
        auxiliary_weight=0.0,
        **_ADAM,
        **_POLY,
    ),
    # Ronneberger et al. 2015, section 3: one tile per batch, momentum 0.99. Section 3.1: elastic
    # deformation by knots of a 3x3 grid, with a standard deviation of 10 pixels; a uniform one has
    # it at a reach of 10 * sqrt(3), and tiles of 512 pixels have knots 256 pixels apart. The paper
    # says neither the learning rate nor the number of epochs: 1e-4 and 100 are ours. Its weights
    # of pixels between touching cells are `pipelines.touching_weights`.
    Recipe(
        "unet",
        epochs=100,
        batch_size=1,
        augmentation=(("elastic", {"strength": 17.3, "smoothness": 256}),),
        optimizer="sgd",
        optimizer_options={"momentum": 0.99},
        learning_rate=1e-4,
        schedule="constant",
        auxiliary_weight=0.0,
    ),
    # Badrinarayanan et al. 2017, the authors' solver for CamVid (SegNet-Tutorial,
    # Models/segnet_solver.prototxt, batches of 4): 40,000 iterations over 367 pictures are 436
    # epochs. The paper's section 4.1, for its comparisons: a rate of 0.1, batches of 12, no decay.
    # Median frequency balancing is the paper's; pictures are not augmented.
    Recipe(
        "segnet",
        epochs=436,
        batch_size=4,
        learning_rate=1e-3,
        schedule="constant",
        l2=5e-4,
        no_decay=("bias",),
        rate_factors={"/bias$": 2},
        class_weights={"method": "median"},
        auxiliary_weight=0.0,
        **_SGD,
    ),
    # Long et al., the authors' solver (voc-fcn32s/solver.prototxt; the same for the others, with
    # 1e-12 and 1e-14 in staged training). Its rate of 1e-10 is for the sum of the loss over a
    # picture, some 500x375 = 187,500 pixels; of the mean, as here, it is 1.875e-5, and the decay of
    # 5e-4 beside a sum is 5e-4 / 187,500 beside a mean. 100,000 pictures of the 8,498 of SBD are
    # 12 epochs. Section 4.3: augmentation made no difference. Biases have twice the rate.
    Recipe(
        "fcn",
        epochs=12,
        batch_size=1,
        optimizer="sgd",
        optimizer_options={"momentum": 0.99},
        learning_rate=1e-10 * 187_500,
        schedule="constant",
        l2=5e-4 / 187_500,
        rate_factors={"/bias$": 2},
        auxiliary_weight=0.0,
    ),
    # Chen et al. 2018 (DeepLab-v2), section 4.1, with the numbers of the authors' Caffe solver as
    # deeplab-pytorch has them (configs/voc12.yaml): 20,000 iterations of 10 of 10,582 pictures are
    # 19 epochs. The classifiers have ten times the rate, their biases twice that. The authors keep
    # the batch normalization of their encoder from ImageNet: pass freeze="encoder_batch_norm".
    Recipe(
        "deeplab_v2",
        epochs=19,
        batch_size=10,
        crop_size=(321, 321),
        augmentation=(("random_scale_crop", {"low": 0.5, "high": 1.5}), ("random_flip", {})),
        learning_rate=2.5e-4,
        l2=5e-4,
        rate_factors={"^aspp.*/bias$": 20, "^aspp": 10},
        auxiliary_weight=0.0,
        **_SGD,
        **_POLY,
    ),
    # Chen et al. 2018 (DeepLab v3+), section 4: rate, schedule and crops; DeepLab v3, section 4.1,
    # to which it refers: batches of 16, scales and flips. Published commands for the authors' code
    # have a decay of 4e-5 and 30,000 iterations and more: 45 epochs of 10,582 pictures.
    Recipe(
        "deeplab_v3_plus",
        epochs=45,
        batch_size=16,
        crop_size=(513, 513),
        augmentation=_SCALE_AND_FLIP,
        learning_rate=0.007,
        l2=4e-5,
        no_decay=("vectors", "depthwise"),
        auxiliary_weight=0.0,
        **_SGD,
        **_POLY,
    ),
    # Zhao et al. 2017, section 5.1, and the authors' configuration for Cityscapes (semseg,
    # config/cityscapes/cityscapes_pspnet101.yaml), which has 200 epochs; the paper's 90,000
    # iterations of 2,975 pictures would be 484. Layers behind the encoder have ten times the rate
    # (semseg, tool/train.py).
    Recipe(
        "pspnet",
        epochs=200,
        batch_size=16,
        crop_size=(713, 713),
        augmentation=(
            ("random_rotation", {"degrees": 10.0}),
            ("gaussian_blur", {}),
            *_SCALE_AND_FLIP,
        ),
        learning_rate=0.01,
        l2=1e-4,
        no_decay=(),
        rate_factors={"^(pyramid|head|logits|aux_)": 10},
        auxiliary_weight=0.4,
        **_SGD,
        **_POLY,
    ),
    # Zhao et al. 2018, implementation details: all numbers, and 30,000 iterations of 16 of
    # Cityscapes' 2,975 pictures, which are 161 epochs. Both coarser heads of the cascade have the
    # weight 0.4 and the finest one 1; some public code has 0.16 for the coarsest. The paper
    # compares the finest one with labels at a quarter of the size, here they have the image's.
    Recipe(
        "icnet",
        epochs=161,
        batch_size=16,
        augmentation=_SCALE_AND_FLIP,
        learning_rate=0.01,
        l2=1e-4,
        auxiliary_weight=0.4,
        **_SGD,
        **_POLY,
    ),
    # Wang et al. 2019, the authors' configuration (HRNet-Semantic-Segmentation, experiments/
    # cityscapes/seg_hrnet_w48_train_512x1024_sgd_lr1e-2_wd5e-4_bs_12_epoch484.yaml). Its loss has
    # fixed weights of Cityscapes' classes from 0.84 to 1.15 (lib/datasets/cityscapes.py), which are
    # of no use elsewhere: pass them as class_weights.
    Recipe(
        "hrnet",
        epochs=484,
        batch_size=12,
        crop_size=(512, 1024),
        augmentation=_SCALE_AND_FLIP,
        learning_rate=0.01,
        l2=5e-4,
        no_decay=(),
        auxiliary_weight=0.0,
        **_SGD,
        **_POLY,
    ),
    # Lin et al. 2017, the authors' code (refinenet, main/demo_refinenet_train.m and
    # gen_net_opts_model_type1.m): a rate of 5e-4 until the score is stable, then 5e-5, of batches
    # of one crop, with the encoder's batch statistics fixed ('global' moments): with weights of
    # ImageNet, pass freeze="encoder_batch_norm". When to go on is left to the eye there
    # (its example does at epoch 70, where an epoch is 1,000 to 2,000 crops of drawn pictures); here
    # each of the two ends without a better score in 20 epochs.
    # The encoder has a tenth of the rate (input_featnet_lr_multiplier).
    Recipe(
        "refinenet",
        epochs=70,
        batch_size=1,
        crop_size=(400, 400),
        augmentation=(("random_scale_crop", {"low": 0.7, "high": 1.3}), ("random_flip", {})),
        learning_rate=5e-5,
        schedule="constant",
        l2=5e-4,
        no_decay=(),
        rate_factors={"^encoder_": 0.1},
        auxiliary_weight=0.0,
        patience=20,
        before={"learning_rate": 5e-4},
        **_SGD,
    ),
)
