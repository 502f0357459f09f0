package deploy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
	"github.com/fairlead-dev/fairlead/internal/testkubectl"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

// shellBlocks returns the blocks of a page that are for a shell: those of no language, or of
// that of shells.
func shellBlocks(page *testpages.Page) (found []string) {
	for _, b := range page.Blocks("", "sh", "bash") {
		found = append(found, b.Text)
	}
	return found
}

// step is what a walk does with a block of a page.
type step struct {
	begins string // the block's first line begins so

	not    string                             // why the block is not run; "": it is
	but    string                             // if not is given: only lines that begin so are not run
	stays  bool                               // it is for a terminal of its own, and goes on
	before func()                             // what to wait for, as a reader would
	after  func(t *testing.T, printed string) // what has to be so then
}

// walk is a reader with a shell, who does what a page says in the folder of a clone.
type walk struct {
	t    *testing.T
	cli  *testkubectl.CLI
	dir  string            // has deploy, and bin with the program
	says *strings.Replacer // what the reader has in place of what the page has

	clusters []*controllers
	stayed   chan printed // of the block that stays
}

type printed struct {
	text string
	err  error
}

// newWalk returns a reader with the clusters of a kubeconfig, kubectl and Helm.
func newWalk(t *testing.T, kubeconfig string, says *strings.Replacer, clusters ...*controllers) *walk {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, tools := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		filepath.Join(tools, "helm"): testhelm.Require(t), filepath.Join(dir, "deploy"): here, filepath.Join(dir, "bin", "fairlead"): binary,
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	return &walk{t: t, cli: testkubectl.New(t, kubeconfig, tools), dir: dir, says: says, clusters: clusters, stayed: make(chan printed, 1)}
}

// follows does what the blocks say, each as it stands. Every block has a step, in order.
func (w *walk) follows(blocks []string, steps []step) {
	w.t.Helper()
	for i, block := range blocks {
		if i >= len(steps) || !strings.HasPrefix(block, steps[i].begins) {
			w.t.Fatalf("the page has a block that this test has no step for:\n%s", block)
		}
		s := steps[i]
		if s.not != "" {
			var left string
			if left, block = divide(block, s.but); left == "" {
				w.t.Errorf("no line of the block begins with %s:\n%s", s.but, block)
			}
			w.t.Logf("not run, because %s:\n%s", s.not, left)
			if block == "" {
				continue
			}
		}
		if s.before != nil {
			s.before()
		}
		w.t.Logf("run:\n%s", block)
		if s.stays {
			go func() { w.stayed <- w.shell(block) }()
			continue
		}
		result := w.runs(block)
		if result.err != nil {
			w.t.Fatalf("%v\n%s", result.err, result.text)
		}
		if s.after != nil {
			s.after(w.t, result.text)
		}
	}
	if len(steps) > len(blocks) {
		w.t.Errorf("the page has no block any more that begins with %s", steps[len(blocks)].begins)
	}
}

// divide returns the lines of a block that begin so, and the others.
func divide(block, begin string) (with, without string) {
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, begin) {
			with += line
		} else {
			without += line
		}
	}
	return with, without
}

// runs runs a block, while the clusters do their work.
func (w *walk) runs(block string) printed {
	w.t.Helper()
	ended := make(chan printed, 1)
	go func() { ended <- w.shell(block) }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit, cancel := context.WithTimeout(w.t.Context(), 2*patience)
	defer cancel()
	for {
		for _, c := range w.clusters {
			c.reconcile(w.t.Context())
		}
		select {
		case result := <-ended:
			for _, c := range w.clusters {
				c.reconcile(w.t.Context())
			}
			return result
		case <-limit.Done():
			w.t.Fatalf("it does not end:\n%s", block)
		case <-tick.C:
		}
	}
}

// shell runs a block as a reader's shell does, up to the first command that fails.
func (w *walk) shell(block string) printed {
	text, err := w.cli.Shell(w.t.Context(), "set -e\ncd "+w.dir+"\n"+w.says.Replace(block))
	return printed{text, err}
}
