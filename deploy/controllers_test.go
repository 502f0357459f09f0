package deploy

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkubelet"
)

// controllers do in a cluster what kube-controller-manager and the kubelet of a real one do
// of what the pages wait for: a token in the Secret of an account, the Pod of the Deployment
// and that of helm test, the end of a namespace. They have one Pod, whose image is the program of this test.
type controllers struct {
	t       *testing.T
	client  *kubernetes.Clientset
	config  *rest.Config
	kubelet *kubelet

	pod *runningPod // nil: the Deployment asks for none
}

func newControllers(t *testing.T, c *testenv.Cluster) *controllers {
	t.Helper()
	config := rest.CopyConfig(c.Config())
	config.QPS = -1 // they ask again and again
	client := newClient(t, config)
	k := newKubelet(t, c, client)
	k.node = testkubelet.Start(t, c.Config())
	return &controllers{t: t, client: client, config: config, kubelet: k}
}

// reconcile does what is to be done now.
func (c *controllers) reconcile(ctx context.Context) {
	c.t.Helper()
	c.makesTokens(ctx)
	c.runsDeployment(ctx)
	c.runsTest(ctx)
	c.endsNamespaces(ctx)
}

// runsTest runs the Pod of helm test, if there is one that has not run.
func (c *controllers) runsTest(ctx context.Context) {
	c.t.Helper()
	pod, err := c.client.CoreV1().Pods("fairlead").Get(ctx, "fairlead-test", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		c.t.Fatal(err)
	}
	if err != nil || pod.Status.Phase != corev1.PodPending || pod.DeletionTimestamp != nil {
		return
	}
	command, _ := c.kubelet.container(ctx, c.t, pod, c.t.TempDir())
	pod.Status.Phase = corev1.PodSucceeded
	if said, err := command.CombinedOutput(); err != nil {
		pod.Status.Phase = corev1.PodFailed
		c.t.Errorf("the Pod of helm test: %v\n%s", err, said)
	}
	if _, err := c.client.CoreV1().Pods("fairlead").UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
		c.t.Fatal(err)
	}
}

// makesTokens fills the Secrets that ask for a token of an account.
func (c *controllers) makesTokens(ctx context.Context) {
	c.t.Helper()
	secrets, err := c.client.CoreV1().Secrets("fairlead").List(ctx, metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken)})
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if len(secret.Data[corev1.ServiceAccountTokenKey]) > 0 {
			continue
		}
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3600))}}
		token, err := c.client.CoreV1().ServiceAccounts("fairlead").CreateToken(ctx, secret.Annotations[corev1.ServiceAccountNameKey], request, metav1.CreateOptions{})
		if err != nil {
			c.t.Fatal(err)
		}
		secret.Data = map[string][]byte{
			corev1.ServiceAccountTokenKey: []byte(token.Status.Token), corev1.ServiceAccountRootCAKey: c.config.CAData,
			corev1.ServiceAccountNamespaceKey: []byte("fairlead"),
		}
		if _, err := c.client.CoreV1().Secrets("fairlead").Update(ctx, secret, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
			c.t.Fatal(err)
		}
	}
}

// runsDeployment runs the Pod that the Deployment asks for, and says so in its status.
func (c *controllers) runsDeployment(ctx context.Context) {
	c.t.Helper()
	d, err := c.client.AppsV1().Deployments("fairlead").Get(ctx, "fairlead", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		c.t.Fatal(err)
	}
	asked := err == nil && *d.Spec.Replicas > 0
	if c.pod != nil && !asked {
		c.pod.stop()
		c.pod = nil
	}
	if c.pod == nil && asked {
		c.pod = c.kubelet.start(ctx, c.t)
		c.pod.isReady(ctx)
	}
	if err != nil || d.Status.ObservedGeneration == d.Generation {
		return
	}
	d.Status.ObservedGeneration = d.Generation
	n := *d.Spec.Replicas
	d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas = n, n, n, n
	if _, err := c.client.AppsV1().Deployments("fairlead").UpdateStatus(ctx, d, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		c.t.Fatal(err)
	}
}

// isReady waits until the Pod's probe says so.
func (p *runningPod) isReady(ctx context.Context) {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.health+"/readyz", http.NoBody)
		if err != nil {
			return false, fmt.Errorf("ask the probe: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // It does not listen yet.
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		p.t.Fatalf("the Pod is not ready: %v\n%s", err, read(p.t, p.log))
	}
}

// endsNamespaces lets namespaces go that are being deleted, with what is in them.
func (c *controllers) endsNamespaces(ctx context.Context) {
	c.t.Helper()
	namespaces, err := c.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range namespaces.Items {
		namespace := &namespaces.Items[i]
		if namespace.DeletionTimestamp == nil {
			continue
		}
		namespace.Spec.Finalizers = nil
		if _, err := c.client.CoreV1().Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
			c.t.Fatal(err)
		}
	}
}
