package connection

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
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
		"a list of text": {`{"a":["b", "c"],"d":"e"}`, "application/json", 24 + weightOfObject + 2*weightOfText + 3*weightOfElement},
		"no objects":     {`[0,[],null]`, "application/json", 11 + 3*weightOfObject + 4*weightOfElement},
		"nested deeply":  {strings.Repeat("[", 70) + strings.Repeat("]", 69) + ",1]", "application/json", 142 + 70*weightOfObject + 71*weightOfElement},
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

// TestNothingIsLight: decoded, an answer takes no more than some times of what it
// weighs, also if it is nothing that was asked for.
func TestNothingIsLight(t *testing.T) {
	for _, element := range []string{`{}`, `0`, `null`, `true`, `""`, `[]`} {
		text := `{"items":[` + strings.Repeat(element+",", 20_000) + element + `]}`
		all := newBudget(math.MaxInt64)
		if _, err := weighAll(t, text, "application/json", all, 0); err != nil {
			t.Fatal(err)
		}
		weight := math.MaxInt64 - all.left.Load()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = json.Unmarshal([]byte(text), &apidiscoveryv2.APIGroupDiscoveryList{}) // a type error, mostly
		runtime.ReadMemStats(&after)
		if took := int64(after.TotalAlloc - before.TotalAlloc); took > 16*weight {
			t.Errorf("%s: weighs %d, but takes %d", element, weight, took)
		}
	}
}

// TestWeightOfFrames: a watch may go on for ever, but none of its frames.
func TestWeightOfFrames(t *testing.T) {
	const frame = `{"type":"ADDED","object":{"a":["}"]}}` + "\n"
	most := int64(len(frame) + 2*weightOfObject + 2*weightOfElement + weightOfText)
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
