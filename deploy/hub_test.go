package deploy

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/locks/lease"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(leaks.Patient(m), goleak.Cleanup(func(code int) {
		if err := removeProgram(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code) //nolint:forbidigo // What goleak would do.
	}))
}

// allOfHub is a hub with all the rights that there are.
const allOfHub = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [DEPLOY/base]
components:
- DEPLOY/components/hub-clusterprofiles
- DEPLOY/components/hub-secrets
- DEPLOY/components/leader-election
`

// joined is a fleet.Handler that tells who joins.
type joined chan string

func (j joined) Set(m fleet.Member) { j <- m.Name }

func (j joined) Remove(string) {}

// With the manifests applied, and nothing else, the account of the pod follows
// Secrets, writes Events, and takes and releases the Lease.
func TestHubRolesAreEnough(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	admin := newClient(t, hub.Config())
	newOperator(t, hub, applyServerSide).applies(allOfHub)
	account := named[*corev1.ServiceAccount](t, "base", "fairlead")
	token, err := admin.CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &rest.Config{Host: hub.URL(), BearerToken: token.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: hub.Config().CAData}}

	const ns, clusters = "fairlead", "fairlead-clusters"
	for name, kubeconfig := range map[string]string{
		"paris": `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
			"clusters": [{"name": "c", "cluster": {"server": "https://paris.example"}}],
			"users": [{"name": "u", "user": {"token": "t"}}],
			"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}`,
		"rome": "{",
	} {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"fairlead.dev/cluster": "true"}},
			StringData: map[string]string{"kubeconfig": kubeconfig},
		}
		if _, err := admin.CoreV1().Secrets(clusters).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	providers, err := fleet.Parse([]string{"secrets:" + clusters})
	if err != nil {
		t.Fatal(err)
	}
	members := make(joined, 10)
	ended := make(chan error, 1)
	runCtx, stop := context.WithCancel(ctx)
	go func() {
		ended <- fleet.New(fleet.Options{Providers: providers, Handler: members, Hub: cfg, Log: logr.Discard()}).Run(runCtx)
	}()
	select {
	case name := <-members:
		if name != "paris" {
			t.Errorf("%s joined", name)
		}
	case <-ctx.Done():
		t.Error("paris does not join")
	}
	w, err := admin.EventsV1().Events(clusters).Watch(ctx, metav1.ListOptions{FieldSelector: "regarding.name=rome"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := <-w.ResultChan(); !ok {
		t.Error("no Event on rome")
	}
	w.Stop()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	for range 2 { // the first one makes it
		lock, err := lease.New(cfg, lease.Options{Namespace: ns, Name: "fairlead", Identity: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		e, err := election.New(election.Timing{LeaseDuration: time.Hour, RenewDeadline: time.Minute, RetryPeriod: time.Second}, lock, logr.Discard())
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Run(ctx, func(context.Context, context.Context) (bool, error) { return true, nil }); err != nil || ctx.Err() != nil {
			t.Errorf("take the Lease: %v, %+v", err, e.Status())
		}
	}
	lease, err := admin.CoordinationV1().Leases(ns).Get(ctx, "fairlead", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != "" {
		t.Errorf("the Lease is not released: %v %v", lease, err)
	}

	for _, tc := range []struct {
		verb, group, resource, namespace string
		want                             bool
	}{
		{"watch", "", "secrets", clusters, true},
		{"watch", "", "secrets", ns, false}, // that of the files' fleet
		{"watch", "multicluster.x-k8s.io", "clusterprofiles", ns, true},
		{"list", "", "secrets", "kube-system", false},
		{"list", "", "secrets", "", false},
		{"update", "", "secrets", clusters, false},
		{"delete", "", "secrets", clusters, false},
		{"create", "events.k8s.io", "events", "default", false},
		{"update", "coordination.k8s.io", "leases", ns, false}, // any of them
		{"patch", "multicluster.x-k8s.io", "clusterprofiles", ns, false},
	} {
		review, err := admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:" + ns + ":" + account.Name,
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: tc.verb, Group: tc.group, Resource: tc.resource, Namespace: tc.namespace,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed != tc.want {
			t.Errorf("%s %s.%s in namespace %q: allowed is %v", tc.verb, tc.resource, tc.group, tc.namespace, review.Status.Allowed)
		}
	}
}

func newClient(t *testing.T, cfg *rest.Config) *kubernetes.Clientset {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	client, err := kubernetes.NewForConfigAndClient(cfg, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newDynamic(t *testing.T, cfg *rest.Config) dynamic.Interface {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	client, err := dynamic.NewForConfigAndClient(cfg, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
