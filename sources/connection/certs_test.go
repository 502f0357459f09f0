package connection

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testca"
)

// clientCertificate writes a client certificate and its key.
func clientCertificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	ca, err := testca.New("members")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Client("fairlead", nil)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem")
	for file, text := range map[string][]byte{certFile: pair.Cert, keyFile: pair.Key} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
