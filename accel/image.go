package accel

import "strings"

const (
	// imageMark begins an input that is an image. No text does: it is UTF-8, which has no such byte.
	imageMark = "\xff"
	// imageTokens is what an image is taken to cost before a model has counted it.
	imageTokens = 4096
)

// AppendImage appends an image, as a file holds it, as an input for an [Embedder] that takes images beside texts.
func AppendImage(dst, file []byte) []byte { return append(append(dst, imageMark...), file...) }

// ImageIn returns the image of an input, and whether it is one and no text.
func ImageIn(input string) (file string, ok bool) { return strings.CutPrefix(input, imageMark) }

// EstimateInput is [EstimateTokens] of an input that may be an image: for these it is no bound, but more than servers are
// known to charge.
func EstimateInput(input string) int {
	if _, ok := ImageIn(input); ok {
		return imageTokens
	}
	return EstimateTokens(input)
}
