package connection

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// What an answer may take in memory once it has been decoded, in bytes. A body is
// weighed as it is read, after it was decompressed: its bytes, and what JSON makes
// of them beside. {}, is three bytes, and an empty element of a list of resources
// some hundred. So it is if the element is no object at all: the decoder makes
// room for it before it sees that.
const (
	// maxRefusal is for an answer that tells of an error.
	maxRefusal = 1 << 20
	// maxProbe is for an answer to a probe.
	maxProbe = 1 << 20
	// maxDocument is for the resources of one version of an API group: some
	// 1,500 of them.
	maxDocument = 4 << 20
	// maxDiscovery is for all that there is to discover, in one document or in
	// many: some 5,000 resources.
	maxDiscovery = 16 << 20
	// maxFrame is for one frame of a watch that a cache reads. etcd takes objects
	// of up to 1.5 MiB.
	maxFrame = 32 << 20

	weightOfObject  = 512 // of a {, beside itself, and of an element that is neither object nor text
	weightOfText    = 96  // of an element that is text
	weightOfElement = 32  // of a comma or a [
	weightOfByte    = 4   // of a byte of protobuf
)

// budget is what may still be read.
type budget struct {
	limit int64
	left  atomic.Int64
}

func newBudget(limit int64) *budget {
	b := &budget{limit: limit}
	b.left.Store(limit)
	return b
}

type budgetKey struct{}

// withBudget has all answers to requests under ctx share a budget.
func withBudget(ctx context.Context, limit int64) context.Context {
	return context.WithValue(ctx, budgetKey{}, newBudget(limit))
}

func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// weighed is the body of an answer that ends with an error when it becomes too
// heavy.
type weighed struct {
	io.ReadCloser
	call     string
	protobuf bool
	whole    *budget // of the body; nil: none
	frame    int64   // what each frame of it may weigh; zero: anything

	text, escaped bool   // where in the JSON it is
	element       bool   // one of an array is next
	objects       uint64 // a bit for each { or [ it is inside of, the innermost lowest: set for a {
	depth         int    // of {
	inFrame       int64  // weight of the frame so far
	heaviest      int64  // that any frame had
	err           error
}

// weigh bounds the body of resp.
func weigh(req *http.Request, resp *http.Response, whole *budget, frame int64) {
	if whole == nil && frame == 0 {
		return
	}
	resp.Body = &weighed{
		ReadCloser: resp.Body, call: req.Method + " " + req.URL.Path, whole: whole, frame: frame,
		protobuf: strings.Contains(resp.Header.Get("Content-Type"), "protobuf"),
	}
}

// Read fails with a member.TooMuchError, and then reads no more.
func (w *weighed) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.ReadCloser.Read(p)
	weight := w.weight(p[:n])
	switch {
	case w.whole != nil && w.whole.left.Add(-weight) < 0:
		w.err = &member.TooMuchError{Call: w.call, What: "the answer", Limit: w.whole.limit}
	case w.frame > 0 && w.heaviest > w.frame:
		w.err = &member.TooMuchError{Call: w.call, What: "a frame of the answer", Limit: w.frame}
	default:
		return n, err
	}
	return 0, w.err
}

// weight returns what the next bytes of the body weigh. What is no JSON is
// weighed as if it were: the more it looks like it, the more it weighs.
func (w *weighed) weight(p []byte) (total int64) {
	if w.protobuf { // its reader bounds frames
		return weightOfByte * int64(len(p))
	}
	for _, c := range p {
		weight, ends := int64(1), false
		switch {
		case w.escaped:
			w.escaped = false
		case w.text:
			w.escaped, w.text = c == '\\', c != '"'
		case c == ' ' || c == '\n' || c == '\r' || c == '\t':
		default:
			weight += w.token(c)
			ends = c == '}' && w.depth <= 0
		}
		total += weight
		w.inFrame += weight
		w.heaviest = max(w.heaviest, w.inFrame)
		if ends {
			w.depth, w.inFrame = 0, 0
		}
	}
	return total
}

// token returns what a byte outside of a text weighs beside itself.
func (w *weighed) token(c byte) (weight int64) {
	if w.element {
		w.element = false
		switch c {
		case '{', ']':
		case '"':
			weight = weightOfText
		default:
			weight = weightOfObject
		}
	}
	switch c {
	case '"':
		w.text = true
	case '{':
		weight += weightOfObject
		w.depth++
		w.objects = w.objects<<1 | 1
	case '[':
		weight += weightOfElement
		w.element = true
		w.objects <<= 1
	case ',':
		weight += weightOfElement
		w.element = w.objects&1 == 0
	case '}':
		w.depth--
		w.objects >>= 1 // what is too far out to be remembered is taken for an array
	case ']':
		w.objects >>= 1
	}
	return weight
}
