package config

import (
	"encoding/json"
	"os"

	"pss/remote/planted"
)

// WriteFile replaces path with data in one step (0600): a reader sees the old
// file or the new one, never a part. A file has one writer at a time; what one that
// was killed left beside it is replaced by the next one's.
func WriteFile(path string, data []byte) error {
	fresh := path + ".new"
	err := os.WriteFile(fresh, data, 0o600)
	planted.Point("config-write")
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		os.Remove(fresh)
	}
	return err
}

// WriteJSON replaces path with the JSON of v in one step.
func WriteJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return WriteFile(path, append(data, '\n'))
}

// ReadJSON reads path into v.
func ReadJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
