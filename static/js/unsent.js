/* What was typed into the forms of the page and not sent yet. */

export const SIGNED_OUT = "You are signed out. Sign in in another tab. The page keeps what you entered.";

const isChanged = (field) => {
  if (!field.matches("input:not([type=hidden], [type=submit]), textarea, select")) return false;
  if (field.matches("select")) { // without an option that is marked the first one is chosen
    return field.selectedIndex !== Math.max(0, [...field.options].findLastIndex((one) => one.defaultSelected));
  }
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
};

/* Whether a field of a form differs from what the server sent; without a form: of any form that changes something. */
export const hasUnsentInput = (form) =>
  [...(form ? [form] : document.querySelectorAll("form[method=post]"))]
    .some((one) => [...one.elements].some(isChanged));
