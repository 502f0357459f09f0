package trace

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

// Each watch shows what there is, and then changes of that in the order of their versions: an
// object is added once, and gone after its deletion.
func TestTheTraceIsAWatch(t *testing.T) {
	o := Options{Nodes: 10, PodLife: time.Hour, Duration: 10 * time.Minute}
	trace := Make(o)
	for _, r := range trace.Resources() {
		there, version := map[string]bool{}, 0
		read := func(what string, frames []byte, want int, initial bool) {
			n := 0
			for line := range bytes.Lines(frames) {
				var f struct {
					Type   string
					Object struct {
						Kind     string
						Metadata struct{ UID, ResourceVersion string }
					}
				}
				if err := json.Unmarshal(line, &f); err != nil {
					t.Fatalf("%s: %v: %s", r.Plural, err, line)
				}
				m := f.Object.Metadata
				v, _ := strconv.Atoi(m.ResourceVersion)
				if f.Object.Kind != r.Kind || there[m.UID] == (f.Type == "ADDED") || !initial && v <= version {
					t.Fatalf("%s, %s: a frame that no watch has: %s after version %d: %s", r.Plural, what, f.Type, version, line)
				}
				version = max(version, v)
				there[m.UID] = true
				if f.Type == "DELETED" {
					delete(there, m.UID)
				}
				n++
			}
			if n != want || n == 0 {
				t.Errorf("%s, %s: %d frames, want %d", r.Plural, what, n, want)
			}
		}
		read("initial", r.Initial, r.Objects, true)
		read("live", r.Live, r.Events, false)
		t.Logf("%s: %d objects, %d events, %d bytes each", r.Plural, r.Objects, r.Events, len(r.Live)/r.Events)
	}
	if again := Make(o); !bytes.Equal(again.Pods.Live, trace.Pods.Live) {
		t.Error("the same seed gives another trace")
	}
}
