package deploy

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// `helm test` passes where the fleet can be read, and fails where it cannot.
func TestHelmTest(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	r := newRelease(t, hub)
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), binary, "check", "--help").CombinedOutput(); err != nil || !strings.Contains(string(output), "--pre") {
		t.Skip("this program has no check --pre")
	}
	kubelet := newKubelet(t, hub, r.client)
	r.helm("install", firstValues, "charts/fairlead")
	r.createsFleet("hub")
	if said, err := r.test(kubelet); err != nil {
		t.Errorf("of a fleet that can be read: %v\n%s", err, said)
	}
	r.replacesFleet("hub", "paris") // which is down
	if said, err := r.test(kubelet); err == nil || !strings.Contains(said, "paris") || !strings.Contains(said, "connection refused") {
		t.Errorf("of a fleet with a member that is down: %v\n%s", err, said)
	}
	fleet := r.fleetOf("hub")
	fleet["oslo.yaml"] = []byte(strings.ReplaceAll(string(fleet["hub.yaml"]), "tokenFile: "+accountDir+"/token", "token: of-another-cluster"))
	r.describesFleet(replaceFleet, fleet)
	said, err := r.test(kubelet)
	if err == nil || !strings.Contains(said, "oslo") || !strings.Contains(said, "Unauthorized") || strings.Contains(said, "of-another-cluster") {
		t.Errorf("of a fleet with a token that is wrong: %v\n%s", err, said)
	}
}

// test runs helm test, and what the kubelet does meanwhile. It returns what the Pod says.
func (r *release) test(k *kubelet) (said string, err error) {
	r.t.Helper()
	dir := r.t.TempDir()
	group, ctx := errgroup.WithContext(r.ctx)
	done := make(chan struct{})
	group.Go(func() error {
		defer close(done)
		_, err := testhelm.Run(ctx, r.program, "test", "fairlead", "--namespace=fairlead", "--kubeconfig="+r.kubeconfig, "--timeout=2m")
		return err
	})
	pods := r.client.CoreV1().Pods("fairlead")
	w, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=fairlead-test"})
	if err != nil {
		r.t.Fatal(err)
	}
	defer w.Stop()
	var pod *corev1.Pod
	for pod == nil {
		select {
		case event := <-w.ResultChan():
			if p, ok := event.Object.(*corev1.Pod); ok && event.Type == watch.Added && p.Status.Phase == corev1.PodPending && p.DeletionTimestamp == nil {
				pod = p
			}
		case <-done:
			return "", group.Wait()
		}
	}
	command, _ := k.container(ctx, r.t, pod, dir)
	output, failed := command.CombinedOutput()
	pod.Status.Phase = corev1.PodSucceeded
	if failed != nil {
		pod.Status.Phase = corev1.PodFailed
	}
	if _, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil && ctx.Err() == nil {
		r.t.Error(err)
	}
	err = group.Wait()
	// Helm leaves the Pod of a test that has failed, for its log.
	background := context.WithoutCancel(r.ctx)
	_ = pods.Delete(background, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	return string(output), err
}
