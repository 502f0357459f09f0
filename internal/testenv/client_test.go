package testenv_test

import (
	"context"
	"errors"
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// configMaps is the smallest client that the tests can do with.
type configMaps struct {
	rest      *rest.RESTClient
	namespace string
}

// newConfigMaps returns a client with connections of its own: client-go shares
// those of equal configurations, and one that was cut would fail another test.
func newConfigMaps(t *testing.T, config *rest.Config, namespace string) configMaps {
	t.Helper()
	config = rest.CopyConfig(config)
	config.Dial = new(net.Dialer).DialContext
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	restClient, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	return configMaps{rest: restClient, namespace: namespace}
}

func (c configMaps) create(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	made := new(corev1.ConfigMap)
	err := c.rest.Post().Namespace(c.namespace).Resource("configmaps").
		Body(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}).Do(ctx).Into(made)
	return made, err
}

func (c configMaps) get(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	found := new(corev1.ConfigMap)
	err := c.rest.Get().Namespace(c.namespace).Resource("configmaps").Name(name).
		MaxRetries(0).Do(ctx).Into(found)
	return found, err
}

func (c configMaps) watch(ctx context.Context, from string) (watch.Interface, error) {
	return c.rest.Get().Namespace(c.namespace).Resource("configmaps").
		VersionedParams(&metav1.ListOptions{Watch: true, ResourceVersion: from}, scheme.ParameterCodec).
		MaxRetries(0).Watch(ctx)
}

// next returns a watch's next event.
func next(t *testing.T, changes watch.Interface) watch.Event {
	t.Helper()
	event, open := <-changes.ResultChan()
	if !open {
		t.Fatal("the watch ended")
	}
	return event
}

// firstEvent returns what a watch from a resourceVersion shows first. A watch
// that cannot be opened shows its error.
func firstEvent(t *testing.T, client configMaps, from string) watch.Event {
	t.Helper()
	changes, err := client.watch(t.Context(), from)
	if err != nil {
		status, ok := errors.AsType[*apierrors.StatusError](err)
		if !ok {
			t.Fatal(err)
		}
		return watch.Event{Type: watch.Error, Object: &status.ErrStatus}
	}
	defer changes.Stop()
	return next(t, changes)
}
