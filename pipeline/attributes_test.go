package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// checkAttributes compares a change's attributes with those of its event in JSON.
func checkAttributes(t *testing.T, c *pipeline.Change, line []byte) {
	t.Helper()
	var want, got []string
	in := json.NewDecoder(bytes.NewReader(line))
	token := func() any {
		token, err := in.Token()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for token(); in.More(); { // the brace
		name := token().(string)
		if name == "data" {
			break
		}
		if value := fmt.Sprint(token()); name != "datacontenttype" && value != "" {
			want = append(want, name+"="+value)
		}
	}
	for name, value := range c.Attributes() {
		got = append(got, name+"="+utf8As(t, value))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-in the event +yielded):\n%s", diff)
	}
	if at := slices.Index(got, "id="+utf8As(t, c.ID())); at < 0 {
		t.Errorf("the id %q is not among %q", c.ID(), got)
	}
	n := 0
	for range c.Attributes() { // one may stop at any time
		if n++; n == 3 {
			break
		}
	}
}
