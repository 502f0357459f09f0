package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

func TestWhatIsDueIsShown(t *testing.T) {
	id := ledger.StreamID{Cluster: "alpha", ClusterUID: "uid-a", Resource: "pods"}
	c := ledgerContent{Cursors: []ledger.Description{{ID: id, Objects: 7, Sinks: []string{"file:x"}, Form: "metadata only", Redeliver: 3}}}
	var table, text bytes.Buffer
	if err := printLedger(&table, "table", c); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	if got, want := strings.Fields(lines[2]), strings.Fields("alpha uid-a pods - file:x 7 0 0 - 3 - -"); !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := printLedger(&text, "json", c); err != nil {
		t.Fatal(err)
	}
	short := strings.Join(strings.Fields(text.String()), "")
	if want := `"form":"metadataonly","redeliver":3,"sinks":["file:x"]`; !strings.Contains(short, want) {
		t.Errorf("%s does not have %s", short, want)
	}
}
