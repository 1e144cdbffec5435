// The files that go with the next message: chosen with a button, dropped on the box, or pasted.

export class Attachments {
  // `tools` is the row of buttons under the box.
  constructor(tools, box) {
    this.files = [];
    this.input = document.createElement("input");
    this.input.type = "file";
    this.input.multiple = true;
    this.input.hidden = true;
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "attach";
    this.button.textContent = "📎";
    this.button.ariaLabel = "Attach files";
    this.list = document.createElement("span");
    this.list.className = "files";
    tools.querySelector(".mention-bot").after(this.button, this.input, this.list);
    this.button.addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => {
      this.add(this.input.files);
      this.input.value = "";
    });
    box.addEventListener("paste", (event) => this.add(event.clipboardData?.files ?? []));
    box.addEventListener("dragover", (event) => event.preventDefault());
    box.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      this.add(event.dataTransfer.files);
    });
  }

  add(files) {
    this.set([...this.files, ...files]);
  }

  set(files) {
    this.files = files;
    this.list.replaceChildren(...files.map((file) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = `${file.name} ✕`;
      chip.ariaLabel = `Leave out ${file.name}`;
      chip.addEventListener("click", () => this.set(this.files.filter((other) => other !== file)));
      return chip;
    }));
  }

  // The files as the control API takes them.
  encoded() {
    return Promise.all(this.files.map(async (file) => ({ name: file.name, data: await base64(file) })));
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}
