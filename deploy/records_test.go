package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/hub"
)

// What is applied here and what install=true applies are the same.
func TestRecordsHaveOneCRD(t *testing.T) {
	if text := read(t, "components/hub-records/crd.yaml"); !bytes.Equal([]byte(text), hub.CRD()) {
		t.Error("components/hub-records/crd.yaml is not sinks/hub/crd.yaml")
	}
}

// With the manifests applied, and nothing else, the account of the Pod keeps records where
// the flag says.
func TestRecordRightsAreEnough(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cluster := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	newOperator(t, cluster, applyServerSide).applies("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [DEPLOY/hub-records]\n")
	_, c := pod(t, "hub-records")
	namespace := strings.TrimPrefix(flagOf(t, c, "sink"), "hub:")
	account := named[*corev1.ServiceAccount](t, "base", "fairlead")
	token, err := newClient(t, cluster.Config()).CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sink, err := hub.New(hub.Options{Namespace: namespace, Log: logr.Discard(), Config: func() (*rest.Config, error) {
		return &rest.Config{Host: cluster.URL(), BearerToken: token.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: cluster.Config().CAData}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for err := sink.Check(ctx); err != nil; err = sink.Check(ctx) { // the CRD has just been made
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
	change := &pipeline.Change{
		Key:    pipeline.Key{Cluster: "paris", Resource: "configmaps", Namespace: "default", Name: "a"},
		Origin: &pipeline.Origin{Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, Kind: "ConfigMap", Term: 1},
		Op:     pipeline.Added, UID: "u", ResourceVersion: "1", Sequence: 1, Object: json.RawMessage(`{"metadata":{"name":"a"}}`),
	}
	if err := sink.Write(ctx, []*pipeline.Change{change}); err != nil {
		t.Fatal(err)
	}
	records := schema.GroupVersionResource{Group: "records.fairlead.dev", Version: "v1alpha1", Resource: "records"}
	found, err := newDynamic(t, cluster.Config()).Resource(records).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: "cluster=paris"})
	if err != nil || len(found.Items) != 1 {
		t.Errorf("records of paris: %v, %v", found, err)
	}
}
