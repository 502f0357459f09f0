package batch_test

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/batch"
)

// printer is a sink that prints how it is used.
type printer struct{}

func (printer) Write(_ context.Context, changes []*pipeline.Change) error {
	for _, c := range changes {
		fmt.Println(c.Op, c.Key)
	}
	return nil
}

func Example() {
	b := batch.New("printer", printer{}, batch.Options{MaxBatch: 500})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()

	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: "p"},
		Origin: &pipeline.Origin{
			Cluster: "alpha", Kind: "Pod", Namespaced: true,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
		Op: pipeline.Added, UID: "u-1", ResourceVersion: "7", Object: []byte(`{}`),
	}
	// Returns once the sink has accepted or refused the change.
	tell := func(_ int, refused error) {
		if refused != nil {
			fmt.Println("refused:", refused)
		}
	}
	if err := b.Deliver(ctx, tell, c); err != nil {
		fmt.Println(err)
	}

	cancel()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
	// Output:
	// added alpha/pods/ns/p
}
