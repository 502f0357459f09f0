package deploy

import (
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// lastApplied is where kubectl apply without --server-side keeps what it was given.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// An applier is how kubectl apply is called: its flags.
type applier []string

var (
	applyClientSide applier
	applyServerSide = applier{"--server-side"}
	// takeOver also takes the fields that others have set.
	takeOver = applier{"--server-side", "--force-conflicts"}
)

var appliers = map[string]applier{"kubectl apply": applyClientSide, "kubectl apply --server-side": applyServerSide}

// kubectl runs kubectl.
func (o *operator) kubectl(args ...string) {
	o.t.Helper()
	if out, err := o.cli.Run(o.ctx, args...); err != nil {
		o.t.Fatalf("%v\n%s", err, out)
	}
}

// appliesText applies all documents of a text.
func (o *operator) appliesText(how applier, text []byte) {
	o.t.Helper()
	file := filepath.Join(o.t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.kubectl(slices.Concat([]string{"apply", "--filename=" + file}, how)...)
}

func resourceOf(client dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	if ns := object.GetNamespace(); ns != "" {
		return client.Resource(plural).Namespace(ns)
	}
	return client.Resource(plural)
}
