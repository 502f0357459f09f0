package connection

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

func weighAll(t *testing.T, body, contentType string, whole *budget, frame int64) (int, error) {
	t.Helper()
	req := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/x"}}
	resp := response(req, 200, contentType, "")
	resp.Body = io.NopCloser(iotest.HalfReader(strings.NewReader(body)))
	weigh(req, resp, whole, frame)
	read, err := io.ReadAll(resp.Body)
	return len(read), err
}

func TestWeights(t *testing.T) {
	for name, tt := range map[string]struct {
		body, contentType string
		want              int64
	}{
		"text":           {"hello", "text/plain", 5},
		"a string":       {`"{[,\"{"`, "application/json", 8},
		"an object":      {`{}`, "application/json", 2 + weightOfObject},
		"a list":         {`[{},{}]`, "application/json", 7 + 2*weightOfObject + 2*weightOfElement},
		"protobuf":       {"k8s\x00{{", "application/vnd.kubernetes.protobuf", 6 * weightOfByte},
		"after a string": {`{"a":"}"},`, "application/json", 10 + weightOfObject + weightOfElement},
	} {
		b := newBudget(tt.want)
		if _, err := weighAll(t, tt.body, tt.contentType, b, 0); err != nil || b.left.Load() != 0 {
			t.Errorf("%s: %d are left of %d, %v", name, b.left.Load(), tt.want, err)
		}
		if n, err := weighAll(t, tt.body, tt.contentType, newBudget(tt.want-1), 0); !tooMuch(err) || n >= len(tt.body) {
			t.Errorf("%s: read %d, %v, want that it is too much", name, n, err)
		}
	}
}

// TestWeightOfFrames: a watch may go on for ever, but none of its frames.
func TestWeightOfFrames(t *testing.T) {
	const frame = `{"type":"ADDED","object":{"a":["}"]}}` + "\n"
	most := int64(len(frame) + 2*weightOfObject + 2*weightOfElement)
	if n, err := weighAll(t, strings.Repeat(frame, 10000), "application/json", nil, most); err != nil || n != 10000*len(frame) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if _, err := weighAll(t, frame, "application/json", nil, most-2); !tooMuch(err) {
		t.Errorf("got %v, want that it is too much", err)
	}
	if _, err := weighAll(t, strings.Repeat("}", 100)+strings.Repeat(" ", 2000), "application/json", nil, most); !tooMuch(err) {
		t.Errorf("got %v, want that it is too much", err)
	}
}
