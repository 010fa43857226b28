"""Pairs of ideas for the test of `repeats`: the same one in other words, and others that speak of the same tool."""

SAME = [
    (
        (
            "Add overlapped block motion compensation. Blend each 8x8 block's prediction with those of its neighbours' "
            "vectors, with raised-cosine weights."
        ),
        (
            "OBMC for inter blocks. The prediction at block edges is a weighted blend of what the neighbouring motion "
            "vectors fetch."
        ),
    ),
    (
        (
            "Rate-distortion optimised quantisation (trellis). Choose each level by a Viterbi search over the scan "
            "with the real context costs."
        ),
        (
            "Trellis quantization of the levels. Run a dynamic programme along the scan and use the actual bit costs "
            "of the contexts to select levels."
        ),
    ),
    (
        "Sample adaptive offset after deblocking. Classify samples by edge shape and add four offsets per block.",
        (
            "Add an SAO in-loop filter: edge classes, four signalled offsets for each 16x16 block, applied behind the "
            "deblocking filter."
        ),
    ),
    (
        "32x32 transform for smooth areas. Add a 32x32 integer DCT and let the encoder choose it by cost.",
        "Larger transforms: let flat regions use a 32x32 DCT, selected by rate-distortion cost.",
    ),
    (
        "4x4 transform for detailed blocks. Split an 8x8 block into four 4x4 DCTs where that is cheaper.",
        "Allow 4x4 transforms. A flag per 8x8 block says that four small DCTs are used instead of one.",
    ),
    (
        "Sign data hiding. Hide one sign bit per block in the parity of the sum of levels.",
        (
            "Hide signs in parity: for each block with enough levels, the first sign is inferred from the parity of "
            "the level sum."
        ),
    ),
    (
        "Temporal motion vector candidates in the merge list. Add the co-located block's vector of the reference.",
        (
            "Merge from the co-located block: take the motion of the same place in the reference picture as another "
            "merge candidate."
        ),
    ),
    (
        (
            "Secondary estimation (SSE/APM) stage behind the mixer. Refine the mixed probability with an adaptive map "
            "indexed by quantised probability and a small context."
        ),
        (
            "Add an adaptive probability map after the logistic mixing, which corrects the final probability by a "
            "learnt table."
        ),
    ),
    (
        "Two sets of mixing weights averaged. Select a second weight set by another context and average both outputs.",
        (
            "Average two mixers: run a second mixer whose weights are chosen by a different context and take the mean "
            "of both outputs."
        ),
    ),
    (
        (
            "Trained initial probabilities for the contexts. Start the range coder's estimates from a table instead of "
            "one half."
        ),
        (
            "Initialise the context estimates from a trained table rather than at 0.5, so that small files do not pay "
            "for learning."
        ),
    ),
    (
        "Chroma from luma prediction. Predict chroma intra blocks linearly from reconstructed luma samples.",
        "CCLM: a linear model of the rebuilt luma predicts the chroma of intra blocks.",
    ),
    (
        "Scene cut detection. Insert an intra picture at a scene change instead of predicting across it.",
        "Detect cuts between scenes and begin a new pyramid with an I-picture there.",
    ),
    (
        "Palette mode for screen content. Code blocks with few colours as indices into a small palette.",
        "Screen text: add a palette coding mode, blocks with up to eight colours send a palette and an index map.",
    ),
    (
        "Intra block copy for text. Predict a block from an already decoded area of the same picture by a vector.",
        "IBC: let intra blocks be copied from the decoded part of the current picture with a block vector.",
    ),
    (
        "More reference pictures. Let each block choose between the two nearest and the key picture.",
        "Multiple references: blocks may point to a third reference, the first (key) picture.",
    ),
    (
        "Weighted prediction for fades. Send a gain and an offset for each reference and picture.",
        "Explicit weighted prediction: per picture gain and offset applied to the reference, for fades.",
    ),
    (
        "Adaptive QP per macroblock by temporal propagation. Lower the QP of blocks that later pictures refer to.",
        "MB-tree: macroblocks which are referred to a lot by later pictures get a lower QP (delta QP is coded).",
    ),
    (
        (
            "Choose the GOP structure per clip. Encode with the pyramid and with previous-only references and keep the "
            "cheaper one."
        ),
        (
            "Try both structures for each clip (hierarchical pyramid or previous picture) in two passes, keep the "
            "better, signal it by one byte."
        ),
    ),
    (
        (
            "Deblocking filter inside the loop. Smooth 8x8 block edges with HEVC's decisions before the picture is a "
            "reference."
        ),
        "Add an HEVC style in-loop deblock of 8x8 edges to the references.",
    ),
    (
        "Lower the learning rate of the mixer from 14 to 10.",
        "LEARNING_RATE of the mixing weights 10 instead of 14.",
    ),
    (
        "Affine motion for zoom and rotation. Three control point vectors, motion derived by 4x4 sub-block.",
        "Affine motion model: control-point vectors describe rotation and zooming, sub-blocks get their own vectors.",
    ),
    (
        "Skip mode with a run length. Code runs of skipped macroblocks instead of one flag for each.",
        "Run-length coding of skipped macroblocks: replaces the flag of each one by the length of the run.",
    ),
]

OTHER = [
    (
        "32x32 transform for smooth areas. Add a 32x32 integer DCT and let the encoder choose it by cost.",
        "4x4 transform for detailed blocks. Add a 4x4 integer DCT and let the encoder choose it by cost.",
    ),
    (
        "Lower the learning rate of the mixer from 14 to 10.",
        "Raise the learning rate of the mixer from 14 to 20.",
    ),
    (
        "Weighted prediction for luma. Send a gain and an offset for each reference.",
        "Weighted prediction for chroma. Send a gain and an offset for each reference.",
    ),
    (
        "Overlapped block motion compensation. Blend predictions of neighbouring vectors at block edges.",
        "Affine motion for zoom. Three control point vectors, motion derived by sub-block.",
    ),
    (
        "Trellis quantisation of the levels with real context costs.",
        "Sign data hiding in the parity of the levels.",
    ),
    (
        "Sample adaptive offset after deblocking. Four offsets for each block.",
        "Wiener filter after deblocking. Fitted to each picture by least squares.",
    ),
    (
        "Secondary estimation stage behind the mixer. Refine the mixed probability with an adaptive map.",
        "Two sets of mixing weights averaged. Select a second set by another context.",
    ),
    (
        "Trained initial probabilities for the contexts of the range coder.",
        "Two adaptation rates for each context: mix a fast and a slow estimate.",
    ),
    (
        "Temporal motion vector candidates in the merge list.",
        "Code vector differences with better contexts: the size of the neighbours' differences.",
    ),
    (
        "Directional intra prediction along 33 directions for 8x8 and 16x16 blocks.",
        "Intra block copy for text: predict a block from a decoded area of the same picture.",
    ),
    (
        "Intra 4x4 prediction. Allow four 4x4 intra blocks in each 8x8, with directions of their own.",
        "Inter 4x4 partitions. Allow four 4x4 motion blocks in each 8x8, with vectors of their own.",
    ),
    (
        "Chroma from luma prediction. Predict chroma intra blocks from reconstructed luma.",
        "Chroma QP offset. Quantise chroma more coarsely by two steps.",
    ),
    (
        "Scene cut detection. Insert an intra picture at a scene change.",
        "Choose the GOP structure per clip: pyramid or previous picture, the cheaper one.",
    ),
    (
        "More reference pictures. Let each block choose a third reference.",
        "Better sub-pel interpolation: 12-tap filters for the references.",
    ),
    (
        "Deblocking strength by QP offset. Send two offsets for each clip.",
        "Deblocking of 4x4 edges too. Filter the inner edges of small transforms.",
    ),
    (
        "Merge list of six candidates instead of four.",
        "Skip mode with a run length for macroblocks.",
    ),
    (
        "Pyramid QP cascade steeper: offsets 0 3 4 5 6 by level.",
        "Pyramid with a span of 8 instead of 16.",
    ),
    (
        "Context of levels: add the co-located levels of the reference picture as a seventh input of the mixer.",
        "Context of levels: add the intra mode and the transform size as a seventh input of the mixer.",
    ),
    (
        "End of block signalled by the last position, as in HEVC.",
        "Significance map contexts from the neighbours in the block.",
    ),
    (
        "Rate-distortion optimised mode decision with real bits for intra blocks.",
        "Rate-distortion optimised motion decision with real bits for merge candidates.",
    ),
    (
        "Reconstruct levels towards zero by a Laplace centroid.",
        "Dead zone of the quantiser by band: wider at high frequencies.",
    ),
    (
        "Adaptive transform size for intra blocks by rate-distortion cost.",
        "Adaptive transform kernel for intra blocks: DST-VII besides DCT-II by rate-distortion cost.",
    ),
    (
        "Remove the Wiener filter: it costs more than it gains on small clips.",
        "Add a Wiener filter for chroma.",
    ),
    (
        "Encode luma levels before chroma levels, plane by plane.",
        "Interleave luma and chroma levels by macroblock.",
    ),
]

LATER_SAME = [
    (
        (
            "Multi-hypothesis probability estimation for CABAC contexts. Keep a fast and a slow estimate for every "
            "context and average them before coding."
        ),
        (
            "Two-speed adaptation of context probabilities. Every context holds two states with shift 4 and 7; their "
            "mean is what the range coder uses."
        ),
    ),
    (
        (
            "Bidirectional optical flow refinement of bi-predicted blocks. Derive a per-sample offset from the "
            "gradients of both references at the decoder."
        ),
        (
            "BDOF for B-blocks. The gradients of the two predictions give a correction for each sample, without side "
            "information."
        ),
    ),
    (
        (
            "Decoder-side motion vector refinement for bi-prediction. Search plus-minus one sample around the merge "
            "vectors by matching the two predictions."
        ),
        (
            "DMVR: refine merge vectors of bi-predicted blocks in the decoder by template matching between both "
            "references."
        ),
    ),
    (
        "Cross-component adaptive loop filter for chroma. Correct chroma by a small filter over reconstructed luma.",
        "CC-ALF: luma samples filtered with sent coefficients correct the chroma planes after deblocking.",
    ),
    (
        "Longer interpolation filter. Replace the 8-tap half-sample kernel by a 12-tap one to keep high frequencies.",
        "12-tap sub-pel interpolation instead of 8-tap. The half-sample filter gets sharper.",
    ),
    (
        "Perceptual-free RDO: tune lambda down. Use lambda = 0.45 * 2^((QP-12)/3) in all decisions.",
        "Smaller Lagrangian multiplier in mode decisions. Set lambda factor to 0.45 everywhere.",
    ),
    (
        (
            "Code the end of block with the coded neighbours' ends as context. Use the mean last position of left and "
            "above."
        ),
        (
            "Better contexts for the last significant position: condition it on the last position in the left and "
            "upper blocks."
        ),
    ),
    (
        "DST-VII for 4x4 intra luma residuals. Use it instead of the DCT where prediction is angular.",
        "Sine transform (DST-VII) for intra 4x4 blocks, since the error grows away from the boundary.",
    ),
    (
        "Wavefront-free two-pass encoding per clip. Encode at three pyramid spans and keep the cheapest stream.",
        (
            "Pick the pyramid span per clip by trial. Run the encoder with spans 4, 8 and 16, write the best to the "
            "header."
        ),
    ),
    (
        "Position dependent intra combination. Blend planar with the directional prediction near the block's edges.",
        "PDPC: weight the border samples into the intra prediction, the more the nearer the edge.",
    ),
    (
        "Add OBMC to inter macroblocks. Blend with neighbours' motion over four rows at each inner edge.",
        "Overlapped block motion compensation for P and B macroblocks, blending predictions across block borders.",
    ),
    (
        "RDOQ with true adaptive-context bit costs. For each coefficient try q, q-1 and 0 and keep the cheapest.",
        (
            "Rate-distortion optimised quantisation using the mixer's actual probabilities. Levels are lowered where "
            "the bits saved outweigh the added error."
        ),
    ),
    (
        "Adaptive loop filter with block classification. 25 classes by activity and direction, a filter for each.",
        "ALF: classify 4x4 blocks by gradient, send a Wiener filter per class.",
    ),
    (
        "Split 16x16 motion blocks into 8x8. A flag per macroblock says whether four vectors are coded.",
        "Smaller motion partitions: 8x8 vectors inside each macroblock where cheaper.",
    ),
    (
        "Conditional coding of chroma levels on luma. Use the co-located luma block's coded flag as a context.",
        "Chroma level contexts from the co-located luma block: whether luma has non-zero levels there.",
    ),
    (
        "Reduce QP of the first picture by one more. Offset -4 instead of -3.",
        "I-picture QP offset -4 instead of -3. The key picture is quantised more finely.",
    ),
    (
        "Hadamard cost instead of SAD in motion search. Sub-sample steps use SATD.",
        (
            "Use SATD for the sub-pel motion search. The Hadamard transformed difference predicts the residual's bits "
            "better."
        ),
    ),
    (
        "Early skip decision to allow a wider search. Test the skip candidate first and stop if it is good enough.",
        (
            "Fast skip: check the merge candidate without residual before everything else and leave the search if it "
            "suffices."
        ),
    ),
    (
        "Joint coding of Cb and Cr residuals. Send one residual for both chroma planes with a sign.",
        "JCCR: one chroma residual is coded for u and v together.",
    ),
    (
        "Entropy code motion vector differences by mixing. Contexts are neighbours' differences and block size.",
        "Context mixing for vector differences instead of fixed Exp-Golomb: use neighbouring differences as contexts.",
    ),
]
"""Written after the list of concepts, in words as strange to it as a model's may be."""

LATER_OTHER = [
    (
        (
            "Multi-hypothesis probability estimation for CABAC contexts. Keep a fast and a slow estimate for every "
            "context and average them before coding."
        ),
        "Add the neighbouring blocks' coded flags as contexts. Condition the coded block flag on left and above.",
    ),
    (
        (
            "Bidirectional optical flow refinement of bi-predicted blocks. Derive a per-sample offset from the "
            "gradients of both references at the decoder."
        ),
        "Weighted bi-prediction. Choose one of five weights for the two references of each bi-predicted block.",
    ),
    (
        "Quarter-sample chroma vectors. Interpolate chroma with four taps at 1/8 sample.",
        "Eighth-sample luma vectors. Interpolate luma at 1/8 sample with eight taps.",
    ),
    (
        "DST-VII for 4x4 intra luma residuals. Use it instead of the DCT where prediction is angular.",
        "Transform skip for 4x4 intra luma residuals. Code the residual without a transform where it is cheaper.",
    ),
    (
        "Merge candidates from history. Keep a table of the last five motion vectors as further merge candidates.",
        "Merge with vector difference. Send a small offset on top of a merge candidate's vector.",
    ),
    (
        (
            "Code the end of block with the coded neighbours' ends as context. Use the mean last position of left and "
            "above."
        ),
        "Code the sign of the largest coefficient with the neighbours' signs as context.",
    ),
    (
        "Lambda smaller in the top level of the pyramid. Set lambda factor to 0.45 there.",
        "Lambda larger in the top level of the pyramid. Set lambda factor to 0.8 there.",
    ),
    (
        "Dead zone of 1/3 for intra levels. Round with offset 0.33 instead of 0.25.",
        "Dead zone of 1/6 for inter levels. Round with offset 0.17 instead of 0.25.",
    ),
    (
        "Most probable modes: five instead of three for intra directions.",
        "Intra directions: 65 instead of 33, interpolated at 1/64 sample.",
    ),
    (
        (
            "Noise filter before encoding. Denoise the source of top-level pictures temporally so that fewer levels "
            "are coded."
        ),
        "Film grain synthesis. Estimate noise, remove it, and add it back in the decoder from parameters.",
    ),
    (
        "Adaptive QP by variance. Flat macroblocks get a lower QP, since their error shows.",
        "Adaptive QP by frame. The first picture gets a QP lower by four, the pyramid's top a higher one.",
    ),
    (
        "Skip flag context from three neighbours. Use left, above and above-right skip flags.",
        "Skip whole rows. Send one flag for each macroblock row that is skipped altogether.",
    ),
    (
        "Add OBMC to inter macroblocks. Blend with neighbours' motion over four rows at each inner edge.",
        "Split 16x16 motion blocks into 8x8. A flag per macroblock says whether four vectors are coded.",
    ),
    (
        "RDOQ with true adaptive-context bit costs. For each coefficient try q, q-1 and 0 and keep the cheapest.",
        "Mode decisions with true adaptive-context bit costs. Each mode's flags and levels are priced by the model.",
    ),
    (
        "Split 16x16 motion blocks into 8x8. A flag per macroblock says whether four vectors are coded.",
        "Split 16x16 transform blocks into 8x8. A flag per macroblock says whether four transforms are coded.",
    ),
    (
        "Conditional coding of chroma levels on luma. Use the co-located luma block's coded flag as a context.",
        "Conditional coding of v levels on u. Use the u block's levels at the same place as a context.",
    ),
    (
        "Reduce QP of the first picture by one more. Offset -4 instead of -3.",
        "Reduce QP of the first picture by two more. Offset -5 instead of -3.",
    ),
    (
        "Hadamard cost instead of SAD in motion search. Sub-sample steps use SATD.",
        "Wider motion search. Range of 48 instead of 24 samples around the predictor.",
    ),
    (
        "Entropy code motion vector differences by mixing. Contexts are neighbours' differences and block size.",
        "Entropy code intra modes by mixing. Contexts are neighbours' modes and block size.",
    ),
    (
        "Median vector predictor. Predict each vector by the median of left, above and above-right.",
        "Motion vector prediction by the best of two candidates, signalled with an index.",
    ),
    (
        "Adaptive loop filter with block classification. 25 classes by activity and direction, a filter for each.",
        "Deblocking filter strength by activity. Strong smoothing only where both sides are flat.",
    ),
    (
        "Chroma QP offset +2. Fewer chroma bits at a small loss of PSNR.",
        "Chroma QP offset -1. More chroma bits, since chroma samples count a third.",
    ),
]
