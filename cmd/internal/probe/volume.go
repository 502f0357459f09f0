package probe

import (
	"path/filepath"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/lines"
)

// Volume tells whether the folder of a file will do for a ledger: whether this user may create
// files there, and what room there is. It writes nothing.
func Volume(path string) *api.Volume {
	v := &api.Volume{Folder: filepath.Dir(path)}
	v.Free, v.Size = room(v.Folder)
	if err := lines.Writable(v.Folder); err != nil {
		v.Error = err.Error()
	}
	return v
}

// TryVolume tells whether files on the volume of a ledger can be made, locked and made durable,
// by doing so with an empty one beside the ledger, which it removes. See lines.Try.
func TryVolume(path string) error {
	return lines.Try(filepath.Dir(path), filepath.Base(path)+".check-")
}
