package httpsink_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// TestDocs: what docs/sinks/http.md has to copy is understood.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/sinks/http.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`--sink '([^']+)'`).FindAllStringSubmatch(string(page), -1)
	if len(examples) < 9 {
		t.Errorf("%d examples", len(examples))
	}
	for _, e := range examples {
		if _, err := kinds.Parse(e[1]); err != nil {
			t.Error(err)
		}
	}
	template := regexp.MustCompile(`(?s)<<'EOF'\n(.*?)\nEOF`).FindSubmatch(page)
	if template == nil {
		t.Fatal("there is no template")
	}
	if _, err := httpsink.New(httpsink.Options{URL: "http://h", Format: httpsink.Template, Template: string(template[1]), Join: httpsink.JoinArray}); err != nil {
		t.Error(err)
	}
	for _, f := range kinds[0].Params[0].Choices {
		if !strings.Contains(string(page), "| `"+f+"` |") {
			t.Errorf("the page does not tell of format %s", f)
		}
	}
}
