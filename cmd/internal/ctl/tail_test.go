package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// shown returns what a tail in that form writes for lines of a stream, which is hostile.
func shown(t *testing.T, format string, lines ...string) string {
	t.Helper()
	var out strings.Builder
	tail := tailer{out: &out, format: format}
	if err := tail.show(t.Context(), strings.NewReader(strings.Join(lines, "\n")+"\n")); err == nil || !strings.Contains(err.Error(), "ended the stream") {
		t.Errorf("the end of the stream: %v", err)
	}
	return out.String()
}

func state(name, value string) string {
	return fmt.Sprintf(`{"route":"file:x","op":"updated","cluster":"c","resource":"pods","namespace":"n","name":%q,"object":{"metadata":{"resourceVersion":"%d"},"spec":%s}}`,
		name, len(value), value)
}

func TestTailShowsDifferences(t *testing.T) {
	got := shown(t, "diff",
		state("a", `{"replicas":2,"ports":[1,2],"same":{"x":1}}`),
		"", // a blank line keeps the connection alive
		state("a", `{"replicas":3,"ports":[1],"new":"\u001b[31m","same":{"x":1}}`),
		`{"skipped":312}`,
		state("a", `{"replicas":3,"ports":[1],"new":"\u001b[31m","same":{"x":1.0}}`),
		state("b", `{}`),
		`{"route":"file:x","op":"deleted","cluster":"c","resource":"pods","namespace":"n","name":"a"}`,
		state("a", `{}`))
	for _, want := range []string{".spec.replicas: 2 -> 3\n", ".spec.ports[1]: - 2\n", `.spec.new: + "\u001b[31m"`, "... 312 skipped\n", ".spec.same.x: 1 -> 1.0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "(first seen)"); n != 3 {
		t.Errorf("%d were first seen, want a, b, and a after its deletion\n%s", n, got)
	}
	if strings.Contains(got, "\x1b") || strings.Contains(got, "resourceVersion") {
		t.Errorf("what does something to a terminal, or says nothing:\n%q", got)
	}
}

func TestTailForms(t *testing.T) {
	line := `{"route":"file:x","id":"/v1/pods/u/7","op":"added","cluster":"c\u001b","resource":"pods","name":"a","lagSeconds":0.25,"refused":"no such\ncolumn"}`
	if got := shown(t, "json", line); got != line+"\n" {
		t.Errorf("json: %s", got)
	}
	wide := shown(t, "wide", line)
	for _, want := range []string{"TIME", "ROUTE", "/v1/pods/u/7", "250ms", "refused: no such column"} {
		if !strings.Contains(wide, want) {
			t.Errorf("%q is not in\n%s", want, wide)
		}
	}
	if table := shown(t, "", line); strings.Contains(table, "/v1/pods/u/7") || strings.Contains(table, "\x1b") {
		t.Errorf("table: %q", table)
	}
}

func TestTailSaysWhatIsWrongWithTheStream(t *testing.T) {
	tail := tailer{out: io.Discard}
	if err := tail.show(t.Context(), strings.NewReader("<html>\n")); err == nil {
		t.Error("what is no stream is taken for one")
	}
	broken := io.MultiReader(strings.NewReader(""), errReader{})
	if err := tail.show(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("a connection that breaks: %v", err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// What is remembered for differences is bounded, in number and bytes.
func TestLastStatesAreBounded(t *testing.T) {
	var l lastStates
	object := func(n int) json.RawMessage { return json.RawMessage(`{"x":"` + strings.Repeat("a", n) + `"}`) }
	for i := range mostStates + 10 {
		l.compare(&api.Answer{Name: fmt.Sprint(i), Object: object(1)})
	}
	if len(l.states) != mostStates || len(l.order) != mostStates {
		t.Errorf("%d states, in order %d", len(l.states), len(l.order))
	}
	l.keep(stateKey{name: "large"}, object(mostStateBytes-20))
	if l.bytes > mostStateBytes || len(l.states) > 2 || l.states[stateKey{name: "large"}] == nil {
		t.Errorf("%d bytes in %d states", l.bytes, len(l.states))
	}
	l.keep(stateKey{name: "large"}, object(3))
	if l.bytes > 100 {
		t.Errorf("%d bytes of what was replaced", l.bytes)
	}
}

func TestObjectsOfArguments(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"c pods/a", "c pods a"}, {"c deployments.apps a", "c deployments.apps a"}, {"c pods", ""}, {"c pods/", ""}, {"c /a", ""}, {"pods/a", ""}, {"c a b d", ""},
	} {
		cluster, resource, name, err := objectOf(strings.Fields(test.args))
		if got := strings.TrimSpace(cluster + " " + resource + " " + name); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %q, %v", test.args, got, err)
		}
	}
}
