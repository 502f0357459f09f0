package selection_test

import (
	_ "embed"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

//go:embed testdata/pod.json
var podOfTwoContainers []byte

// BenchmarkMatch is what an expression costs for each event.
func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, where string }{
		{"one", `object.metadata.namespace == 'shop'`},
		{"two", `object.metadata.namespace == 'shop' && object.status.phase == 'Running'`},
		{"labels", `object.metadata.?labels['team'].orValue('') == 'shop' && object.metadata.namespace in ['a', 'shop']`},
		{"has", `has(object.metadata.labels) && 'team' in object.metadata.labels && object.metadata.labels['team'] == 'shop'`},
		{"prefix", `object.metadata.namespace.startsWith('sh')`},
		{"number", `object.metadata.generation > 0 && object.spec.priority == 0`},
		{"exists", `object.status.containerStatuses.exists(c, c.restartCount == 0)`},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, err := selection.Parse(selection.Texts{Where: []string{"pods: " + c.where}}, selection.ParseOptions{})
			if err != nil {
				b.Fatal(err)
			}
			p := r.For(pods, prod)
			o := selection.Object{JSON: podOfTwoContainers, Op: selection.Updated}
			if selected, err := p.Match(o); !selected || err != nil {
				b.Fatal(selected, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Match(o)
			}
		})
	}
}
