package httpsink_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// There is no Loki and no ClickHouse here. Values of --sink are parsed at least.
func TestPage(t *testing.T) {
	testpages.Prove(t, page, map[string]testpages.Proof{
		"fairlead run ":            testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
		"--sink ":                  testpages.By(".", "TestDocs"),
		"curl ":                    mapsDocuments,
		"count by (cluster) ":      nil,
		"_time:1d ":                testpages.By(".", "TestQueriesOfThePage"),
		"_time:1h ":                testpages.By(".", "TestQueriesOfThePage"),
		"CREATE TABLE ":            nil,
		"printf '/services":        testpages.By(".", "TestPageMakesItsFiles"),
		"cat > /etc/fairlead/row.": testpages.By(".", "TestPageMakesItsFiles"),
		"printf 'whsec_":           testpages.By(".", "TestPageMakesItsFiles"),
	})
}

// lastRequest is what a server was sent, which answers as templates of the page want it.
type lastRequest struct {
	mu     sync.Mutex
	method string
	path   string
	header http.Header
	body   []byte
}

func (s *lastRequest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method != http.MethodOptions {
		s.method, s.path, s.header, s.body = r.Method, r.URL.Path, r.Header, body
	}
	_, _ = io.WriteString(w, `{"errors":false,"items":[{"index":{"status":200}}]}`)
}

// script runs what a block has for a shell, and returns the value of its --sink, if it has one.
func script(t *testing.T, block string, replace *strings.Replacer, needs ...string) (sink string) {
	t.Helper()
	for _, program := range append(needs, "sh") {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the page needs what is not here: ", err)
		}
	}
	commands, rest, has := strings.Cut(block, "\n--sink ")
	if has {
		sink = replace.Replace(strings.Trim(rest, "'\n"))
	}
	if text, err := exec.CommandContext(t.Context(), "sh", "-euc", replace.Replace(commands)).CombinedOutput(); err != nil { //nolint:gosec // It is the page's.
		t.Fatalf("%s: %v: %s", commands, err, text)
	}
	return sink
}

// choose opens the sink that a text chooses.
func choose(t *testing.T, text string) pipeline.Sink {
	t.Helper()
	return sinktest.Choose(t, kinds, text)
}

// The files that the page has a shell make are what the sinks of the page read.
func TestPageMakesItsFiles(t *testing.T) {
	shown := testpages.Read(t, page)
	got := &lastRequest{}
	server := serve(t, got.ServeHTTP)
	dir := t.TempDir()
	replace := strings.NewReplacer("/etc/fairlead", dir, "https://hooks.slack.com", server.URL, "https://api.example.com", server.URL)

	write(t, choose(t, script(t, shown.After("The path of an incoming webhook is a credential"), replace)), pod("a", 1))
	if got.path != "/services/T000/B000/XXXX" {
		t.Errorf("Slack gets a request for %s", got.path)
	}
	write(t, choose(t, script(t, shown.After("For anything else: a text in the language of Go's"), replace)), pod("a", 1))
	var rows []map[string]any
	if err := json.Unmarshal(got.body, &rows); err != nil || len(rows) != 1 || rows[0]["name"] != "a" || rows[0]["cluster"] != "alpha" {
		t.Errorf("the template makes %s, %v", got.body, err)
	}
	script(t, shown.After("what happened to which object"), replace, "openssl")
	write(t, choose(t, server.URL+"/in?secret-file="+dir+"/webhook-secret"), pod("a", 1))
	if got.header.Get("Webhook-Signature") == "" {
		t.Errorf("with the secret a request has the headers %v", got.header)
	}
}

// Each field of the mapping that a real curl sends, as the page has it, is one of the documents
// that the sink sends.
func mapsDocuments(t *testing.T, block string) {
	got := &lastRequest{}
	server := serve(t, got.ServeHTTP)
	sink := script(t, block,
		strings.NewReplacer("https://es.example.com:9200", server.URL, "&user=fairlead&password-file=/etc/fairlead/password", ""), "curl")
	var index struct {
		Mappings struct{ Properties map[string]any }
	}
	if err := json.Unmarshal(got.body, &index); err != nil || got.method != http.MethodPut || got.path != "/fairlead" {
		t.Fatalf("curl sends %s %s, %v: %s", got.method, got.path, err, got.body)
	}
	write(t, choose(t, sink), pod("a", 1))
	lines := bytes.Split(got.body, []byte("\n"))
	var document map[string]any
	if len(lines) < 2 || json.Unmarshal(lines[1], &document) != nil || len(document) < 8 {
		t.Fatalf("the sink sends %s", got.body)
	}
	if len(index.Mappings.Properties) < 8 {
		t.Errorf("the mapping has %v", index.Mappings.Properties)
	}
	for field := range index.Mappings.Properties {
		if _, has := document[field]; !has {
			t.Errorf("no document has %s", field)
		}
	}
}
