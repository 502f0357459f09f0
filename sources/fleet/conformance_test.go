package fleet_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/fleet/fleettest"
)

// parse returns the provider of one value.
func parse(t testing.TB, value string) fleet.Provider {
	t.Helper()
	providers, err := fleet.Parse([]string{value})
	if err != nil {
		t.Fatal(err)
	}
	return providers[0]
}

// replace writes a file as a careful writer does.
func replace(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".tmp", text, 0o600), os.Rename(path+".tmp", path)); err != nil {
		t.Fatal(err)
	}
}

func TestDirConforms(t *testing.T) {
	fleettest.Run(t, func(t testing.TB) fleettest.Place {
		dir := t.TempDir()
		file := func(name string) string { return filepath.Join(dir, name) }
		return fleettest.Place{
			Provider: parse(t, "dir:"+dir),
			Describe: func(t testing.TB, c fleettest.Cluster) error {
				if len(c.Name) > 250 || strings.ContainsAny(c.Name, "/\x00") {
					return errors.New("no name of a file")
				}
				replace(t, file(c.Name), c.Kubeconfig())
				return nil
			},
			Remove: func(t testing.TB, name string) {
				if err := os.Remove(file(name)); err != nil {
					t.Fatal(err)
				}
			},
			Write:    func(t testing.TB, name string, text []byte) { replace(t, file(name), text) },
			TwoPolls: true,
		}
	})
}

func TestKubeconfigConforms(t *testing.T) {
	fleettest.Run(t, func(t testing.TB) fleettest.Place {
		path := filepath.Join(t.TempDir(), "fleet.yaml")
		all := clientcmdapi.NewConfig()
		write := func(t testing.TB) {
			text, err := clientcmd.Write(*all)
			if err != nil {
				t.Fatal(err)
			}
			replace(t, path, text)
		}
		return fleettest.Place{
			Provider: parse(t, "kubeconfig:"+path),
			Describe: func(t testing.TB, c fleettest.Cluster) error {
				cluster, user := clientcmdapi.NewCluster(), clientcmdapi.NewAuthInfo()
				cluster.Server, user.Token = c.Server, c.Token
				all.Clusters[c.Name], all.AuthInfos[c.Name] = cluster, user
				all.Contexts[c.Name] = &clientcmdapi.Context{Cluster: c.Name, AuthInfo: c.Name}
				write(t)
				return nil
			},
			Remove: func(t testing.TB, name string) {
				delete(all.Contexts, name)
				if len(all.Contexts) > 0 {
					write(t)
				} else if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			},
			Write:    func(t testing.TB, _ string, text []byte) { replace(t, path, text) },
			Together: true, TwoPolls: true,
		}
	})
}

func TestSecretsConform(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	for format, as := range map[string]struct {
		label string
		data  func(fleettest.Cluster) map[string][]byte
		key   string // of a text; empty: there is none
	}{
		"kubeconfig": {
			"fairlead.dev/cluster=true",
			func(c fleettest.Cluster) map[string][]byte { return map[string][]byte{"kubeconfig": c.Kubeconfig()} }, "kubeconfig",
		},
		"multicluster-runtime": {
			"sigs.k8s.io/multicluster-runtime-kubeconfig=true",
			func(c fleettest.Cluster) map[string][]byte { return map[string][]byte{"kubeconfig": c.Kubeconfig()} }, "kubeconfig",
		},
		"argocd": {
			"argocd.argoproj.io/secret-type=cluster",
			func(c fleettest.Cluster) map[string][]byte {
				config, _ := json.Marshal(map[string]string{"bearerToken": c.Token})
				return map[string][]byte{"name": []byte(c.Name), "server": []byte(c.Server), "config": config}
			}, "",
		},
	} {
		t.Run(format, func(t *testing.T) {
			fleettest.Run(t, func(t testing.TB) fleettest.Place {
				ns := hub.NewNamespace(t)
				client, err := rest.HTTPClientFor(hub.Config())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(client.CloseIdleConnections)
				core, err := corev1client.NewForConfigAndClient(hub.Config(), client)
				if err != nil {
					t.Fatal(err)
				}
				secrets := core.Secrets(ns)
				label, value, _ := strings.Cut(as.label, "=")
				put := func(t testing.TB, name string, data map[string][]byte) error {
					s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{label: value}}, Data: data}
					_, err := secrets.Update(t.Context(), s, metav1.UpdateOptions{})
					if apierrors.IsNotFound(err) {
						_, err = secrets.Create(t.Context(), s, metav1.CreateOptions{})
					}
					return err
				}
				p := fleettest.Place{
					Provider: parse(t, "secrets:"+ns+"?format="+format), Hub: hub.Config(),
					Describe: func(t testing.TB, c fleettest.Cluster) error { return put(t, c.Name, as.data(c)) },
					Remove: func(t testing.TB, name string) {
						if err := secrets.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
							t.Fatal(err)
						}
					},
				}
				if as.key != "" {
					p.Write = func(t testing.TB, name string, text []byte) {
						if err := put(t, name, map[string][]byte{as.key: text}); err != nil {
							t.Fatal(err)
						}
					}
				}
				return p
			})
		})
	}
}
