package rest

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
)

// Form is a request with a file, as forms send it. Any other request is sent as JSON.
type Form struct {
	Fields   [][2]string // names and values, in order
	FileName string
	File     string
}

// encode writes a request and names its media type: JSON, with <, > and & as they are, or a form.
func encode(request any) (body []byte, media string, err error) {
	var out bytes.Buffer
	form, ok := request.(Form)
	if !ok {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(request)
		return out.Bytes(), "application/json", err
	}
	w := multipart.NewWriter(&out)
	for _, f := range form.Fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreateFormFile("file", form.FileName)
	if err == nil {
		_, err = part.Write([]byte(form.File))
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), w.FormDataContentType(), err
}
