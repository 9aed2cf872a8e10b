// The list of classes: colors, a switch for each, and the share of the picture.

export class Legend {
  /** Fill a list; `changed` is called after each switch. */
  constructor(list, classes, changed) {
    this.changed = changed;
    this.rows = classes.map(({name, color}) => {
      const row = {box: element("input"), share: element("span", "share")};
      row.box.type = "checkbox";
      row.box.checked = true;
      row.box.addEventListener("change", changed);
      const swatch = element("span", "swatch");
      swatch.style.backgroundColor = `rgb(${color.join(" ")})`;
      const label = element("label");
      label.append(row.box, swatch, element("span", "class-name", name), row.share);
      const item = element("li");
      item.append(label);
      list.append(item);
      return row;
    });
    // A color as the four bytes of a pixel in memory, whatever the order of bytes of the machine.
    this.colors = classes.map(({color}) => new Uint32Array(Uint8Array.of(...color, 255).buffer)[0]);
  }

  /** Show or hide all classes. */
  showAll(shown) {
    this.rows.forEach((row) => (row.box.checked = shown));
    this.changed();
  }

  /** The pixels of a label map: the color of each class that is shown, else transparent. */
  paint(labels, width, height) {
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const table = this.colors.map((color, index) => (this.rows[index].box.checked ? color : 0));
    for (let index = 0; index < pixels.length; index++) {
      pixels[index] = table[labels[index]];
    }
    return image;
  }

  /** Write the share of each class; return the names of the largest ones. */
  count(labels) {
    const counts = new Uint32Array(this.rows.length);
    labels.forEach((label) => counts[label]++);
    this.rows.forEach((row, index) => {
      row.share.textContent = `${((100 * counts[index]) / labels.length).toFixed(1)} %`;
    });
    const order = [...counts.keys()].filter((index) => counts[index]);
    order.sort((first, second) => counts[second] - counts[first]);
    return order.slice(0, 3).map((index) => this.nameOf(index));
  }

  nameOf(index) {
    return this.rows[index].box.parentElement.querySelector(".class-name").textContent;
  }
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
