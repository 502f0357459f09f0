package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/file"
)

func ExampleOpen() {
	folder, err := os.MkdirTemp("", "fairlead")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "changes.jsonl")

	sink, err := file.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: "p"},
		Origin: &pipeline.Origin{
			Cluster: "alpha", Kind: "Pod", Namespaced: true,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
		Op: pipeline.Added, UID: "u-1", ResourceVersion: "7", Object: []byte(`{}`),
	}
	if err := sink.Write(context.Background(), []*pipeline.Change{c}); err != nil {
		fmt.Println(err)
	}
	if err := sink.Close(); err != nil {
		fmt.Println(err)
	}

	line, err := os.ReadFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := pipeline.ParseEvent(line)
	fmt.Println(event.Op(), event.Key(), event.ID, err)
	// Output:
	// added alpha/pods/ns/p /v1/pods/u-1/7 <nil>
}
