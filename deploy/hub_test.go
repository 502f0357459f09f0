package deploy

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var hubRoles = []string{"hub/secrets.yaml", "hub/clusterprofiles.yaml"}

func TestHubRolesAreNarrow(t *testing.T) {
	account := only[*corev1.ServiceAccount](t, hubRBAC)
	for _, path := range hubRoles {
		role, binding := only[*rbacv1.Role](t, path), only[*rbacv1.RoleBinding](t, path)
		want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}
		if diff := cmp.Diff(want, binding.Subjects); diff != "" || binding.RoleRef.Name != role.Name || binding.RoleRef.Kind != "Role" {
			t.Errorf("%s: the binding does not give the role to the account: %v to %v", path, binding.RoleRef, binding.Subjects)
		}
		for _, rule := range role.Rules {
			allowed := []string{"get", "list", "watch"}
			if slices.Equal(rule.Resources, []string{"events"}) {
				allowed = []string{"create", "patch"}
			}
			if !slices.Equal(rule.Verbs, allowed) || len(rule.APIGroups) != 1 || len(rule.Resources) != 1 {
				t.Errorf("%s: %v", path, rule)
			}
		}
	}
}

// joined is a fleet.Handler that tells who joins.
type joined chan string

func (j joined) Set(m fleet.Member) { j <- m.Name }

func (j joined) Remove(string) {}

// With the manifests applied, and nothing else, the account of the pod follows
// Secrets, writes Events, and takes and releases the Lease.
func TestHubRolesAreEnough(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	admin := newClient(t, hub.Config())
	apply(ctx, t, admin)
	account := only[*corev1.ServiceAccount](t, hubRBAC)
	cfg, err := hub.User("system:serviceaccount:"+account.Namespace+":"+account.Name, "system:serviceaccounts", "system:authenticated")
	if err != nil {
		t.Fatal(err)
	}

	ns := account.Namespace
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
		if _, err := admin.CoreV1().Secrets(ns).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	providers, err := fleet.Parse([]string{"secrets:" + ns})
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
	w, err := admin.EventsV1().Events(ns).Watch(ctx, metav1.ListOptions{FieldSelector: "regarding.name=rome"})
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
		e, err := election.New(election.Config{
			Namespace: ns, Name: "fairlead", Identity: "test",
			Timing: election.Timing{LeaseDuration: time.Hour, RenewDeadline: time.Minute, RetryPeriod: time.Second},
		}, cfg, logr.Discard())
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
		{"watch", "", "secrets", ns, true},
		{"watch", "multicluster.x-k8s.io", "clusterprofiles", ns, true},
		{"list", "", "secrets", "kube-system", false},
		{"list", "", "secrets", "", false},
		{"update", "", "secrets", ns, false},
		{"delete", "", "secrets", ns, false},
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

// apply creates what the manifests say about the account's rights.
func apply(ctx context.Context, t *testing.T, client *kubernetes.Clientset) {
	t.Helper()
	manifests := load(t)
	objects := manifests["kubernetes/namespace.yaml"]
	for _, path := range append([]string{hubRBAC, leaseRole}, hubRoles...) {
		objects = append(objects, manifests[path]...)
	}
	for _, object := range objects {
		var err error
		switch o := object.(type) {
		case *corev1.Namespace:
			_, err = client.CoreV1().Namespaces().Create(ctx, o, metav1.CreateOptions{})
		case *corev1.ServiceAccount:
			_, err = client.CoreV1().ServiceAccounts(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
		case *rbacv1.ClusterRole:
			_, err = client.RbacV1().ClusterRoles().Create(ctx, o, metav1.CreateOptions{})
		case *rbacv1.ClusterRoleBinding:
			_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, o, metav1.CreateOptions{})
		case *rbacv1.Role:
			_, err = client.RbacV1().Roles(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
		case *rbacv1.RoleBinding:
			_, err = client.RbacV1().RoleBindings(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
		default:
			t.Fatalf("what to do with a %T?", o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
