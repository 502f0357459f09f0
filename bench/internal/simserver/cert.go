package simserver

import (
	"crypto/tls"
	"fmt"

	"github.com/fairlead-dev/fairlead/internal/testca"
)

// certificate returns what a server on the loopback shows, and what its clients have to
// trust.
func certificate() (*tls.Config, []byte, error) {
	ca, err := testca.New("simulated-members")
	if err != nil {
		return nil, nil, err
	}
	pair, err := ca.Server()
	if err != nil {
		return nil, nil, err
	}
	shown, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("load the simulated server's certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{shown}}, ca.PEM(), nil
}
