package httpsink_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

const page = "../../docs/sinks/http.md"

// TestDocs: what docs/sinks/http.md has to copy is understood.
func TestDocs(t *testing.T) {
	text := testpages.Read(t, page).Text()
	examples := regexp.MustCompile(`--sink '([^']+)'`).FindAllStringSubmatch(text, -1)
	if len(examples) < 9 {
		t.Errorf("%d examples", len(examples))
	}
	for _, e := range examples {
		if _, err := kinds.Parse(e[1]); err != nil {
			t.Error(err)
		}
	}
	template := regexp.MustCompile(`(?s)<<'EOF'\n(.*?)\nEOF`).FindStringSubmatch(text)
	if template == nil {
		t.Fatal("there is no template")
	}
	if _, err := httpsink.New(httpsink.Options{URL: "http://h", Format: httpsink.Template, Template: template[1], Join: httpsink.JoinArray}); err != nil {
		t.Error(err)
	}
	for _, f := range kinds[0].Params[0].Choices {
		if !strings.Contains(text, "| `"+f+"` |") {
			t.Errorf("the page does not tell of format %s", f)
		}
	}
}
