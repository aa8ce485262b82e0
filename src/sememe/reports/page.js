// What every page has: its data, short names, and the theme.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const plural = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
const copy = (template) => $(template).content.firstElementChild.cloneNode(true);

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (document.documentElement.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
$("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
});
