package selection_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// Pods of one team that have failed are selected; of those, the name of the node is all
// of the spec that is delivered.
func Example() {
	rules, err := selection.Parse(selection.Texts{
		Where: []string{"pods: object.metadata.?labels['team'].orValue('') == 'shop'", "pods: object.status.phase == 'Failed'"},
		Only:  []string{"pods: spec.nodeName"},
	}, selection.ParseOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	program := rules.For(selection.Resource{
		GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true,
	}, selection.Cluster{Name: "prod-1"})

	pod := []byte(`{"metadata":{"name":"a","labels":{"team":"shop"}},"spec":{"nodeName":"n1","hostNetwork":true},"status":{"phase":"Failed"}}`)
	selected, err := program.Match(selection.Object{JSON: pod, Op: selection.Updated})
	fmt.Println(selected, err)
	labels, fields := program.Selectors()
	fmt.Printf("%q %q\n", labels, fields)
	fmt.Printf("%s\n", program.AppendShaped(nil, pod))
	// Output:
	// true <nil>
	// "team in (shop)" ""
	// {"metadata":{"name":"a"},"spec":{"nodeName":"n1"}}
}
