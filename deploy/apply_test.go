package deploy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/csaupgrade"
)

// The names under which kubectl apply notes what it has set.
const (
	lastApplied     = "kubectl.kubernetes.io/last-applied-configuration"
	clientSideApply = "kubectl-client-side-apply"
	serverSideApply = "kubectl"
)

// An applier does what kubectl apply does with one object.
type applier func(ctx context.Context, to dynamic.ResourceInterface, object *unstructured.Unstructured) error

var appliers = map[string]applier{"kubectl apply": applyClientSide, "kubectl apply --server-side": applyServerSide}

// applyAll applies every document of a text, in its order.
func applyAll(ctx context.Context, t *testing.T, client dynamic.Interface, apply applier, text []byte) {
	t.Helper()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatal(err)
		}
		if len(object.Object) == 0 {
			continue // comments
		}
		if err := apply(ctx, resourceOf(client, object), object); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

func resourceOf(client dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	if ns := object.GetNamespace(); ns != "" {
		return client.Resource(plural).Namespace(ns)
	}
	return client.Resource(plural)
}

// applyClientSide merges three ways: what was applied last, what is now to be, and
// what is there.
func applyClientSide(ctx context.Context, to dynamic.ResourceInterface, object *unstructured.Unstructured) error {
	modified := object.DeepCopy()
	plain, err := json.Marshal(object)
	if err != nil {
		return err
	}
	annotations := modified.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[lastApplied] = string(plain)
	modified.SetAnnotations(annotations)

	live, err := to.Get(ctx, object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = to.Create(ctx, modified, metav1.CreateOptions{FieldManager: clientSideApply})
		return err
	}
	if err != nil {
		return err
	}
	typed, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return err
	}
	lookup, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return err
	}
	wanted, err := json.Marshal(modified)
	if err != nil {
		return err
	}
	current, err := json.Marshal(live)
	if err != nil {
		return err
	}
	original := []byte(live.GetAnnotations()[lastApplied])
	patch, err := strategicpatch.CreateThreeWayMergePatch(original, wanted, current, lookup, true)
	if err != nil {
		return err
	}
	_, err = to.Patch(ctx, object.GetName(), types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: clientSideApply})
	return err
}

// applyServerSide leaves the merge to the API server, as with --force-conflicts; what
// was applied on the client's side before counts as applied by the same.
func applyServerSide(ctx context.Context, to dynamic.ResourceInterface, object *unstructured.Unstructured) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: serverSideApply, Force: new(true), FieldValidation: metav1.FieldValidationStrict}
	live, err := to.Patch(ctx, object.GetName(), types.ApplyPatchType, text, options)
	if err != nil {
		return err
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(clientSideApply), serverSideApply)
	if err != nil || len(patch) == 0 {
		return err
	}
	if _, err := to.Patch(ctx, object.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: serverSideApply}); err != nil {
		return fmt.Errorf("take over what was applied on the client's side: %w", err)
	}
	_, err = to.Patch(ctx, object.GetName(), types.ApplyPatchType, text, options)
	return err
}
