package sources

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Two members that are one cluster are told once, and counted as long as they are.
func TestTwins(t *testing.T) {
	var lines []string
	tw := newTwins(funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
	metrics := NewTwinsCollector(&Sources{twins: tw})
	want := func(series ...string) {
		t.Helper()
		text := "# HELP fairlead_cluster_same_as Other members that are the same cluster. Each change of it is delivered under each name.\n" +
			"# TYPE fairlead_cluster_same_as gauge\n" + strings.Join(series, "\n") + "\n"
		if len(series) == 0 {
			text = ""
		}
		if err := testutil.CollectAndCompare(metrics, strings.NewReader(text)); err != nil {
			t.Error(err)
		}
	}
	want()
	tw.identified("a", "1")
	tw.identified("b", "2")
	want(`fairlead_cluster_same_as{cluster="a"} 0`, `fairlead_cluster_same_as{cluster="b"} 0`)
	tw.identified("c", "1")
	tw.identified("c", "1") // its connection was made anew
	tw.identified("a", "1")
	want(`fairlead_cluster_same_as{cluster="a"} 1`, `fairlead_cluster_same_as{cluster="b"} 0`, `fairlead_cluster_same_as{cluster="c"} 1`)
	if others, since := tw.of("a"); !slices.Equal(others, []string{"c"}) || since.IsZero() {
		t.Errorf("a is %q since %v", others, since)
	}
	tw.identified("c", "2")
	if others, _ := tw.of("b"); !slices.Equal(others, []string{"c"}) {
		t.Errorf("b is %q", others)
	}
	tw.left("c")
	tw.left("never there")
	want(`fairlead_cluster_same_as{cluster="a"} 0`, `fairlead_cluster_same_as{cluster="b"} 0`)
	if len(lines) != 2 || !strings.Contains(lines[0], `"cluster"="c" "sameAs"=["a"]`) || !strings.Contains(lines[1], `"sameAs"=["b"]`) {
		t.Errorf("log:\n%s", strings.Join(lines, "\n"))
	}
}
