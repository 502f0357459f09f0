package httpsink_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// A sink that posts a text of its own for each change.
func ExampleNew() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s %s: %s\n", r.Method, r.URL.Path, body)
	}))
	defer server.Close()

	sink, err := httpsink.New(httpsink.Options{
		URL: server.URL + "/hook", Format: httpsink.Template, Template: `{"text": {{quote .Summary}}}`,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: "p"},
		Origin: &pipeline.Origin{
			Cluster: "alpha", Kind: "Pod", Namespaced: true,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
		Op: pipeline.Deleted, UID: "u-1", Tombstone: true,
	}
	if err := sink.Write(context.Background(), []*pipeline.Change{c}); err != nil {
		fmt.Println(err)
	}
	// Output: POST /hook: {"text": "deleted Pod alpha/pods/ns/p"}
}
