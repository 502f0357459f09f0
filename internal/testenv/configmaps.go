package testenv

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

// ConfigMaps is the smallest client that tests can do with: it shares no connection with
// another one, and tries nothing again.
type ConfigMaps struct {
	REST      *rest.RESTClient
	Namespace string
}

// NewConfigMaps returns a client with connections of its own: client-go shares
// those of equal configurations, and one that was cut would fail another test.
func NewConfigMaps(t testing.TB, config *rest.Config, namespace string) ConfigMaps {
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
	return ConfigMaps{REST: restClient, Namespace: namespace}
}

// Create makes an empty ConfigMap.
func (c ConfigMaps) Create(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	made := new(corev1.ConfigMap)
	err := c.REST.Post().Namespace(c.Namespace).Resource("configmaps").
		Body(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}).Do(ctx).Into(made)
	return made, err
}

// Get returns a ConfigMap.
func (c ConfigMaps) Get(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	found := new(corev1.ConfigMap)
	err := c.REST.Get().Namespace(c.Namespace).Resource("configmaps").Name(name).
		MaxRetries(0).Do(ctx).Into(found)
	return found, err
}

// Watch returns what comes behind a resourceVersion.
func (c ConfigMaps) Watch(ctx context.Context, from string) (watch.Interface, error) {
	return c.REST.Get().Namespace(c.Namespace).Resource("configmaps").
		VersionedParams(&metav1.ListOptions{Watch: true, ResourceVersion: from}, scheme.ParameterCodec).
		MaxRetries(0).Watch(ctx)
}

// Version returns the resourceVersion of a list of now.
func (c ConfigMaps) Version(ctx context.Context) (string, error) {
	list := new(corev1.ConfigMapList)
	err := c.REST.Get().Namespace(c.Namespace).Resource("configmaps").Do(ctx).Into(list)
	return list.ResourceVersion, err
}

// Next returns a watch's next event.
func Next(t testing.TB, changes watch.Interface) watch.Event {
	t.Helper()
	event, open := <-changes.ResultChan()
	if !open {
		t.Fatal("the watch ended")
	}
	return event
}

// FirstEvent returns what a watch from a resourceVersion shows first. A watch
// that cannot be opened shows its error.
func FirstEvent(t testing.TB, client ConfigMaps, from string) watch.Event {
	t.Helper()
	changes, err := client.Watch(t.Context(), from)
	if err != nil {
		status, ok := errors.AsType[*apierrors.StatusError](err)
		if !ok {
			t.Fatal(err)
		}
		return watch.Event{Type: watch.Error, Object: &status.ErrStatus}
	}
	defer changes.Stop()
	return Next(t, changes)
}
